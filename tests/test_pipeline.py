"""Tests of all stages together, on a real face, in one process."""

import subprocess
from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np
import pytest

import tracks
from container_crop import add_pixel_crop
from file_systems import small_file_system
from heygem_cli.color import parse_color
from heygem_cli.errors import HeygemError, InputError
from heygem_cli.face.geometry import mouth_opening
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.face.video_track import read_track, write_track
from heygem_cli.job import RenderJob
from heygem_cli.media.ffmpeg import find_ffmpeg
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.options import EngineOptions, RenderOptions, parse_person
from heygem_cli.pipeline import Pipeline, check_job
from heygem_cli.runtime import Settings
from media_factory import ffmpeg, make_damaged_audio
from portrait import make_face_video, make_silence, make_voice, other_portrait, portrait, scene, track_frame

SIZE = (480, 360)


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline(EngineOptions("cpu"), Settings())


@pytest.fixture
def full_folder(tmp_path):
    """A full file system."""
    with small_file_system(tmp_path / "full", "4k") as folder:
        (folder / "rest").write_bytes(bytes(4096))
        yield folder


def test_full_temporary_folder_is_an_error_that_may_pass(pipeline, tmp_path, face, voice, monkeypatch, full_folder):
    monkeypatch.setenv("TMPDIR", str(full_folder))
    with pytest.raises(HeygemError, match=f"{full_folder}: the disk is full") as caught:
        render(pipeline, job(tmp_path, voice, face, no_cache=True))
    assert (caught.value.code, caught.value.exit_code) == ("disk-full", 1)
    assert list(tmp_path.glob("*.mp4")) == []


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HEYGEM_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def face(media):
    return make_face_video(media / "face.mp4", [scene(*SIZE, (240 + k, 180, 330)) for k in range(12)])


@pytest.fixture(scope="module")
def voice(media):
    return make_voice(media / "syllables.wav")


def frames_of(path):
    with closing(read_frames(probe_video(path))) as frames:
        return list(frames)


def job(tmp_path, audio, face_video, **options):
    return RenderJob(audio, face_video, tmp_path / "out.mp4", options=RenderOptions(**options))


def overwriting(job):
    return replace(job, options=replace(job.options, overwrite=True))


def render(pipeline, job, *on_progress):
    return pipeline.render(job, check_job(job), *on_progress)


def openings(path):
    return [float(mouth_opening(each)) for each in FaceTracker("cpu", Settings()).track(frames_of(path))]


def test_voice_moves_the_mouth_and_silence_does_not(pipeline, tmp_path, face, voice):
    speaking = replace(job(tmp_path, voice, face), output=tmp_path / "speaking.mp4")
    silent = replace(job(tmp_path, make_silence(tmp_path / "silence.wav"), face), output=tmp_path / "silent.mp4")
    render(pipeline, speaking)
    result = render(pipeline, silent)
    assert result.warnings == (f"{silent.audio}: the audio is silent, so the mouth stays closed",)
    assert max(openings(speaking.output)) > 0.05
    assert max(openings(silent.output)) < 0.025


def test_result_describes_the_output(pipeline, tmp_path, face, voice):
    result = render(pipeline, job(tmp_path, voice, face))
    made = probe_video(result.output)
    assert (result.width, result.height, result.fps, result.frames) == (*SIZE, 25, 25)
    assert result.duration == pytest.approx(1)
    assert (made.width, made.height) == SIZE
    assert (result.frames_with_face, result.frames_without_face, result.frames_turned_away) == (25, 0, 0)
    assert list(result.seconds) == ["speech", "track", "prepare", "render"]
    assert len(frames_of(result.output)) == 25


def test_progress_is_reported_for_every_frame(pipeline, tmp_path, face, voice):
    updates = []
    render(pipeline, job(tmp_path, voice, face), updates.append)
    assert [progress.done for progress in updates if progress.stage == "render"] == list(range(1, 26))
    assert {progress.stage for progress in updates} == {"speech", "track", "render"}


def test_track_is_cached_and_reused(pipeline, tmp_path, face, voice):
    first = render(pipeline, job(tmp_path, voice, face))
    second = render(pipeline, overwriting(job(tmp_path, voice, face)))
    assert (first.track_cached, second.track_cached) == (False, True)


def test_no_cache_writes_no_cache(pipeline, tmp_path, face, voice):
    render(pipeline, job(tmp_path, voice, face, no_cache=True))
    assert not (tmp_path / "cache").exists()


def test_render_is_deterministic(pipeline, tmp_path, face, voice):
    one = render(pipeline, job(tmp_path, voice, face)).output.read_bytes()
    two = render(pipeline, overwriting(job(tmp_path, voice, face))).output.read_bytes()
    assert one == two


@pytest.mark.parametrize(("which", "moving"), [("left", "left"), ("2", "right")])
def test_only_the_chosen_person_speaks(pipeline, tmp_path, voice, which, moving):
    pictures = [scene(960, 400, (240, 200, 360), (720, 200, 360))] * 3
    face = make_face_video(tmp_path / "two.mp4", pictures)
    made = job(tmp_path, voice, face, person=parse_person(which))
    render(pipeline, made)
    halves = {"left": np.s_[:, :480], "right": np.s_[:, 480:]}
    source = cv2.cvtColor(frames_of(face)[0], cv2.COLOR_YUV2BGR_I420)
    change = {
        side: max(
            np.abs(cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420)[part].astype(int) - source[part]).max()
            for frame in frames_of(made.output)
        )
        for side, part in halves.items()
    }
    assert change.pop(moving) > 80
    assert max(change.values()) < 40


def moved(output, source):
    """Return how much the luma of each frame differs from that of the source, at most, after encoding."""
    pairs = zip(frames_of(output), frames_of(source), strict=False)
    return [int(np.abs(made[: SIZE[1]].astype(int) - given[: SIZE[1]]).max()) for made, given in pairs]


@pytest.fixture(scope="module")
def conversation(media):
    """A person, a listener at the same place, and the person again, elsewhere and larger."""
    person, again = scene(*SIZE, (240, 180, 330)), scene(*SIZE, (220, 190, 380))
    listener = scene(*SIZE, (240, 180, 330, other_portrait()))
    listener[:, :90] = listener[:, -90:] = 200
    return make_face_video(media / "conversation.mp4", [*[person] * 9, *[listener] * 7, *[again] * 9])


def test_listener_does_not_speak_after_a_cut(pipeline, tmp_path, conversation, voice):
    result = render(pipeline, job(tmp_path, voice, conversation))
    assert (result.shots, result.people) == (3, 2)
    assert (result.frames_with_face, result.frames_without_face, result.frames_other_person) == (18, 7, 7)
    assert [(span.first, span.last, span.shot, span.state) for span in result.spans] == [
        (0, 8, 1, "rendered"),
        (9, 15, 2, "other person"),
        (16, 24, 3, "rendered"),
    ]
    changes = moved(result.output, conversation)
    assert max(changes[9:16]) < 30
    assert max(changes[:9]) > 60
    assert max(changes[16:]) > 60


def test_nobody_speaks_until_the_face_is_known_after_a_cut_that_was_missed(pipeline, tmp_path, voice):
    faces = [scene(*SIZE, (240, 180, 330, *other)) for other in ((), (other_portrait(),))]
    video = make_face_video(tmp_path / "missed.mp4", [faces[0]] * 17 + [faces[1]] * 8)
    result = render(pipeline, job(tmp_path, voice, video))
    assert (result.shots, result.frames_with_face) == (1, 13)
    assert [(span.first, span.state) for span in result.spans] == [(0, "rendered"), (13, "other person")]


def test_listener_speaks_if_chosen_by_number_or_picture(pipeline, tmp_path, conversation, voice):
    picture = tmp_path / "listener.png"
    cv2.imwrite(str(picture), scene(600, 500, (300, 250, 480, other_portrait())))
    for person in ("2", str(picture)):
        made = overwriting(job(tmp_path, voice, conversation, person=parse_person(person)))
        result = render(pipeline, made)
        assert {(span.person, span.shot) for span in result.spans if span.state == "rendered"} == {(2, 2)}


def test_person_who_is_not_there_is_an_error_that_says_how_many_are(pipeline, tmp_path, conversation, voice):
    with pytest.raises(InputError, match=r"there is no person 3; it shows 1 .*, 2 .*heygem faces") as caught:
        render(pipeline, job(tmp_path, voice, conversation, person=parse_person("3")))
    assert caught.value.code == "no-such-person"


def test_one_track_serves_every_person(pipeline, tmp_path, conversation, voice):
    cached = [
        render(pipeline, overwriting(job(tmp_path, voice, conversation, person=parse_person(who)))).track_cached
        for who in ("1", "2", "largest")
    ]
    assert cached == [False, True, True]


@pytest.fixture(scope="module")
def leaving(media):
    """A face for 8 frames, then an empty picture for 10."""
    pictures = [scene(*SIZE, (240, 180, 330))] * 8 + [scene(*SIZE)] * 10
    return make_face_video(media / "leaving.mp4", pictures)


def test_frames_without_a_face_pass_and_are_counted(pipeline, tmp_path, leaving, voice):
    result = render(pipeline, job(tmp_path, voice, leaving, loop="hold"))
    assert (result.frames_with_face, result.frames_without_face) == (8, 17)
    assert np.abs(frames_of(result.output)[20][:360].astype(int) - 90).max() < 25


def test_frames_with_the_head_turned_away_pass_and_are_counted(pipeline, tmp_path, voice):
    face = make_face_video(tmp_path / "turning.mp4", [scene(*SIZE, (240, 180, 330))] * 12)
    render(pipeline, job(tmp_path, voice, face))
    (path,) = (tmp_path / "cache").rglob("*.track")
    track = read_track(path, key=path.stem)
    rows = track.landmarks(0, 12)
    middle, angle = rows.mean(1, keepdims=True), np.radians(75)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    rows[4:] = ((rows - middle) @ turn.T + middle)[4:]
    write_track(path, tracks.frames_of(rows), limit=13, key=path.stem)
    result = render(pipeline, overwriting(job(tmp_path, voice, face, loop="hold")))
    assert (result.frames_with_face, result.frames_without_face, result.frames_turned_away) == (25, 0, 21)
    assert max(openings(result.output)[4:]) < 0.02


def test_on_missing_face_hold_repeats_the_last_frame_with_the_face(pipeline, tmp_path, leaving, voice):
    result = render(pipeline, job(tmp_path, voice, leaving, loop="hold", on_missing_face="hold"))
    assert track_frame(frames_of(result.output)[20]) is not None


def test_on_missing_face_fail_names_the_first_time(pipeline, tmp_path, leaving, voice):
    with pytest.raises(InputError, match=r"found in only 8 of 18 frames, first missing at 0\.32 s"):
        render(pipeline, job(tmp_path, voice, leaving, on_missing_face="fail"))
    assert not (tmp_path / "out.mp4").exists()


def test_video_without_any_face_is_an_error(pipeline, tmp_path, voice):
    empty = make_face_video(tmp_path / "empty.mp4", [scene(*SIZE)] * 5)
    with pytest.raises(InputError, match=r"no face found in 5 frames"):
        render(pipeline, job(tmp_path, voice, empty))
    assert {path.name for path in tmp_path.iterdir()} == {"empty.mp4", "cache"}


def test_loop_none_refuses_a_video_that_is_too_short(pipeline, tmp_path, face, voice):
    with pytest.raises(InputError, match="12 frames, the audio needs 25"):
        render(pipeline, job(tmp_path, voice, face, loop="none"))


def test_photograph_speaks(pipeline, tmp_path, voice):
    photograph = tmp_path / "photo.jpg"
    cv2.imwrite(str(photograph), portrait())
    result = render(pipeline, job(tmp_path, voice, photograph, loop="none"))
    assert (result.width, result.height, result.frames) == (512, 600, 25)
    assert max(openings(result.output)) > 0.05


def test_existing_output_and_output_that_is_an_input_are_refused(pipeline, tmp_path, face, voice):
    made = job(tmp_path, voice, face)
    made.output.write_bytes(b"precious")
    with pytest.raises(InputError, match="--overwrite"):
        render(pipeline, made)
    with pytest.raises(InputError, match="would replace an input"):
        render(pipeline, overwriting(replace(made, output=face)))
    assert made.output.read_bytes() == b"precious"


def test_file_that_appears_under_the_output_name_is_kept(pipeline, tmp_path, face, voice):
    made = job(tmp_path, voice, face)
    with pytest.raises(HeygemError, match="was created while it was rendered"):
        render(pipeline, made, lambda _: made.output.write_bytes(b"precious"))
    assert [(path.name, path.read_bytes()) for path in tmp_path.glob("*.mp4")] == [(made.output.name, b"precious")]


def test_unknown_engine_is_an_error_with_a_suggestion(pipeline, tmp_path, face, voice):
    with pytest.raises(InputError, match="Did you mean mesh"):
        render(pipeline, job(tmp_path, voice, face, engine="mash"))


def test_damaged_audio_is_encoded_anew_and_the_result_says_so(pipeline, tmp_path, face, voice):
    intact, damaged = tmp_path / "intact.aac", tmp_path / "damaged.aac"
    ffmpeg("-i", voice, "-c:a", "aac", intact)
    make_damaged_audio(damaged, voice)
    assert render(pipeline, job(tmp_path, intact, face)).warnings == ()
    result = render(pipeline, replace(job(tmp_path, damaged, face), output=tmp_path / "anew.mp4"))
    message = "the audio is damaged; it was encoded anew, without the parts that cannot be decoded"
    assert result.to_dict()["warnings"] == [f"{damaged}: {message}"]
    strict = [find_ffmpeg(), "-v", "error", "-xerror", "-i", result.output, "-f", "null", "-"]
    assert subprocess.run(strict, capture_output=True, check=True).stderr == b""


def test_mouth_follows_sound_that_is_out_of_phase_and_the_result_says_so(pipeline, tmp_path, face, voice):
    inverted = tmp_path / "inverted.wav"
    ffmpeg("-i", voice, "-af", "pan=stereo|c0=c0|c1=-1*c0", inverted)
    result = render(pipeline, job(tmp_path, inverted, face))
    assert max(openings(result.output)) > 0.05
    message = "channels of the audio are out of phase: where it is played in mono, little is heard"
    assert result.warnings == (f"{inverted}: {message}",)


def test_lips_are_closed_until_the_sound_of_a_video_starts(pipeline, tmp_path, face, voice):
    late = tmp_path / "late.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=size=64x64:duration=2", "-itsoffset", 1, "-i", voice, "-map", 0, "-map", 1,
           "-c:a", "aac", late)  # fmt: skip
    result = render(pipeline, job(tmp_path, late, face))
    opening = openings(result.output)
    assert result.frames == len(opening) == pytest.approx(50, abs=1)  # AAC ends at a packet
    assert max(opening[:20]) < 0.025
    assert max(opening[25:]) > 0.05


def test_impossible_timestamps_are_reported(pipeline, tmp_path, face, voice):
    jumping = tmp_path / "jumping.ts"
    parts = []
    for offset in (5000, 0):
        ffmpeg("-i", face, "-c", "copy", "-output_ts_offset", offset, tmp_path / "part.ts")
        parts.append((tmp_path / "part.ts").read_bytes())
    jumping.write_bytes(b"".join(parts))
    result = render(pipeline, job(tmp_path, voice, jumping, loop="hold"))
    message = "the timestamps of the video are impossible, so its frames follow each other at 25 fps"
    assert result.warnings == (f"{jumping}: {message}",)


def signpost(images):
    """Paint a square of another colour into each of three corners."""
    for image in images:
        places = ((slice(60), slice(60)), (slice(60), slice(-60, None)), (slice(-60, None), slice(60)))
        for color, (rows, columns) in enumerate(places):
            image[rows, columns] = 0
            image[rows, columns, color] = 255
    return images


def stored_mirrored(path, images):
    stored = make_face_video(path.with_suffix(".mp4"), [image.transpose(1, 0, 2) for image in images])
    ffmpeg("-display_rotation", 90, "-display_vflip", "-i", stored, "-c", "copy", path)


def stored_with_borders(path, images):
    make_face_video(path, [cv2.copyMakeBorder(image, 20, 40, 60, 80, cv2.BORDER_CONSTANT) for image in images])
    add_pixel_crop(path, 60, 80, 20, 40)


def stored_in_two_sizes(path, images):
    small = [cv2.resize(image, (SIZE[0] // 2, SIZE[1] // 2), interpolation=cv2.INTER_AREA) for image in images]
    parts = [make_face_video(path.with_name(f"{len(each[0])}.mp4"), each) for each in (small, images)]
    (path.parent / "list.txt").write_text("\n".join(f"file {part.name}" for part in parts))
    ffmpeg("-f", "concat", "-i", path.parent / "list.txt", "-c", "copy", path)


@pytest.mark.parametrize("store", [stored_mirrored, stored_with_borders, stored_in_two_sizes])
def test_picture_is_rendered_as_players_show_it(store, pipeline, tmp_path, voice):
    images = signpost([scene(*SIZE, (240, 180, 330)) for _ in range(6)])
    plain, odd = make_face_video(tmp_path / "plain.mp4", images), tmp_path / "odd.mkv"
    store(odd, images)
    results = [
        render(pipeline, replace(job(tmp_path, voice, face, loop="forward"), output=tmp_path / f"{face.stem}-out.mp4"))
        for face in (plain, odd)
    ]
    assert [(each.width, each.height, each.frames_with_face) for each in results] == [(*SIZE, 25)] * 2
    expected, actual = (frames_of(each.output) for each in results)
    for one, other in zip(expected, actual, strict=True):
        outside = (cv2.resize(each[:120], (24, 6), interpolation=cv2.INTER_AREA) for each in (one, other))
        assert np.abs(np.subtract(*(each.astype(int) for each in outside))).mean() < 2
        for corner in ((slice(60), slice(60)), (slice(60), slice(-60, None)), (slice(300, 360), slice(60))):
            assert abs(one[corner].mean() - other[corner].mean()) < 2


def test_background_is_behind_a_transparent_face_video(pipeline, tmp_path, voice):
    opaque = make_face_video(tmp_path / "opaque.mp4", [scene(*SIZE, (240, 180, 330))] * 6)
    face = tmp_path / "face.webm"
    alpha = "format=yuva420p,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='255*lt(hypot(2*X/W-1,2*Y/H-1),1)'"
    ffmpeg("-i", opaque, "-vf", alpha, "-c:v", "libvpx-vp9", "-cpu-used", 8, "-deadline", "realtime", face)
    options = {"background": parse_color("#0000ff")}
    result = render(pipeline, job(tmp_path, voice, face, **options))
    assert result.frames_with_face == 25
    for frame in frames_of(result.output)[::8]:
        red, green, blue = cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420)[5, 5]
        assert (red < 15, green < 15, blue > 240) == (True, True, True)
