"""Photographs that live, from the picture to the video."""

from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np
import pytest

from heygem_cli.cli.render import summary
from heygem_cli.face.follow import track_faces
from heygem_cli.face.geometry import interocular
from heygem_cli.face.people import find_people, person_track
from heygem_cli.job import RenderJob
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.mesh.idle import make_idle
from heygem_cli.mesh.states import frame_states
from heygem_cli.options import EncodeOptions, EngineOptions, RenderOptions
from heygem_cli.person import parse_person
from heygem_cli.pipeline import Pipeline, check_job
from heygem_cli.runtime import Settings
from portrait import face_tracker, make_face_video, make_voice, other_portrait, portrait, scene

LEVELS = np.full(75, -30, np.float32)


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline(EngineOptions("cpu"), Settings())


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    cv2.imwrite(str(path), portrait())
    return path


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return make_voice(tmp_path_factory.mktemp("voice") / "voice.wav", 3.0)


def render(pipeline, voice, photo, output, **options):
    job = RenderJob(voice, photo, output, RenderOptions(encode=EncodeOptions(crf=10), no_cache=True, **options))
    return pipeline.render(job, check_job(job))


def frames_of(path):
    with closing(read_frames(probe_video(path))) as frames:
        return list(frames)


def mirrored(frame):
    return cv2.cvtColor(cv2.flip(cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420), 1), cv2.COLOR_BGR2YUV_I420)


def lids(frames):
    """Return how far the eyes are open in each frame.

    It is the mean of the picture and its mirror image: one alone varies by a tenth with the noise of the encoder.
    """
    gaps = np.zeros(len(frames))
    for images in (frames, [mirrored(frame) for frame in frames]):
        for number, each in enumerate(face_tracker().follow(images)):
            row = each.faces[0].landmarks
            gaps[number] += np.linalg.norm((row[[159, 386]] - row[[145, 374]])[:, :2], axis=1).mean() / interocular(row)
    return gaps / 2


def test_a_photograph_lives(pipeline, voice, photo, tmp_path):
    result = render(pipeline, voice, photo, tmp_path / "out.mp4")
    frames = frames_of(result.output)
    opening = lids(frames)
    assert result.blinks >= 1
    assert result.to_dict()["blinks"] == result.blinks
    assert f"{result.blinks} blink" in summary(result)["added"]
    assert opening.min() < 0.5 * np.median(opening)
    head = np.stack([frame[100:200, 200:330] for frame in frames]).astype(float)
    assert np.abs(head - head[0]).mean((1, 2)).max() > 3
    assert np.abs(head[-1] - head[0]).mean() < 1.5
    corner = np.stack([frame[:100, :60] for frame in frames]).astype(float)
    assert np.abs(corner - corner[0]).mean() < 1.5


def test_the_same_input_gives_the_same_video(pipeline, voice, photo, tmp_path):
    one, other = (render(pipeline, voice, photo, tmp_path / f"{name}.mp4") for name in "ab")
    assert one.output.read_bytes() == other.output.read_bytes()


def test_without_idle_only_the_mouth_moves(pipeline, voice, photo, tmp_path):
    result = render(pipeline, voice, photo, tmp_path / "out.mp4", idle=0.0)
    assert result.blinks is None
    assert "added" not in summary(result)
    frames = np.stack([frame[:240] for frame in frames_of(result.output)]).astype(float)
    assert np.abs(frames - frames[0]).mean((1, 2)).max() < 1


def still(path, amount=0.5, levels=LEVELS):
    video = probe_video(path)
    faces, _ = track_faces(video, face_tracker(), len(levels), no_cache=True)
    with closing(faces):
        track = person_track(faces, find_people(faces)[0])
        return make_idle(video, track, frame_states(track, video), levels, amount)


def test_what_counts_as_a_photograph(photo, tmp_path):
    assert still(photo) is not None
    assert still(photo, amount=0) is None
    assert still(photo, levels=LEVELS[:1]) is None
    face = scene(400, 400, (200, 200, 360))
    assert still(make_face_video(tmp_path / "one.mp4", [face])) is not None
    assert still(make_face_video(tmp_path / "two.mp4", [face] * 2)) is None
    picture = tmp_path / "half outside.png"
    cv2.imwrite(str(picture), portrait()[:266])
    assert still(picture) is None


def test_only_those_who_speak_move(pipeline, voice, tmp_path):
    both = tmp_path / "both.png"
    cv2.imwrite(str(both), scene(1000, 420, (250, 210, 400), (750, 210, 400, other_portrait())))
    result = render(pipeline, voice, both, tmp_path / "out.mp4", person=parse_person("left"))
    frames = np.stack(frames_of(result.output)).astype(float)
    left, right = (np.abs(frames[:, 60:200, x : x + 120] - frames[0, 60:200, x : x + 120]) for x in (190, 690))
    assert left.mean((1, 2)).max() > 3
    assert right.mean((1, 2)).max() < 1


def test_a_preview_lives_too(pipeline, voice, photo, tmp_path):
    job = RenderJob(voice, photo, tmp_path / "out.mp4", RenderOptions(no_cache=True))
    job = replace(job, half_size=True, options=replace(job.options, encode=EncodeOptions(quality="draft")))
    result = pipeline.render(job, check_job(job))
    assert result.width == 256
    assert result.blinks is not None


@pytest.mark.parametrize(("degrees", "noted"), [(0, False), (-20, False), (60, True)])
def test_picture_that_lost_its_orientation_is_noted(pipeline, tmp_path, degrees, noted):
    """Of a video that lies on its side some frames are found, and the mouth of the others never moved, silently."""
    height, width = portrait().shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 0.8)
    cv2.imwrite(str(tmp_path / "photo.png"), cv2.warpAffine(portrait(), turn, (width, height)))
    speech = make_voice(tmp_path / "voice.wav", 0.4)
    warnings = render(pipeline, speech, tmp_path / "photo.png", tmp_path / "out.mp4").warnings
    assert any("turn the picture first" in each for each in warnings) is noted
