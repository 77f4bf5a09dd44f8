"""Several people speak in one video, each with an audio of its own."""

import errno
import re
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

import heygem_cli
import heygem_cli.timeline
from heygem_cli.errors import HeygemError, InputError
from heygem_cli.face.geometry import mouth_opening
from heygem_cli.job import RenderJob
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_audio, read_frames
from heygem_cli.options import EngineOptions, RenderOptions
from heygem_cli.person import parse_person, parse_speech
from heygem_cli.pipeline import Pipeline, check_job
from heygem_cli.runtime import Settings
from media_factory import ffmpeg, make_damaged_audio
from portrait import face_tracker, make_face_video, make_silence, make_voice, other_portrait, scene

WIDTH = 400


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline(EngineOptions("cpu"), Settings())


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HEYGEM_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "speakers cache"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with two.mp4, first.wav with speech in the first second, and second.wav with speech in the second."""
    folder = tmp_path_factory.mktemp("speakers")
    make_face_video(folder / "two.mp4", [scene(2 * WIDTH, 380, (200, 190, 340), (600, 190, 340))] * 4)
    make_voice(folder / "first.wav", 1.0)
    ffmpeg("-i", folder / "first.wav", "-af", "adelay=1000", folder / "second.wav")
    return folder


def speaking(files, tmp_path, *speak, **options):
    speeches = tuple(parse_speech(f"{person}={files / audio}") for person, audio in speak)
    chosen = RenderOptions(speak=speeches, loop="hold", **options)
    return RenderJob(speeches[0].audio, files / "two.mp4", tmp_path / "out.mp4", chosen)


def render(pipeline, job):
    return pipeline.render(job, check_job(job))


def openings(path):
    """Return how far the mouths of the left and the right face are open in each frame, (frames, 2)."""
    with closing(read_frames(probe_video(path))) as frames:
        tracked = list(face_tracker().follow(frames))
    return np.array(
        [
            [mouth_opening(face.landmarks) for face in sorted(each.faces, key=lambda face: face.landmarks[0, 0])]
            for each in tracked
        ]
    )


def samples_of(path):
    with closing(read_audio(probe_audio(path))) as chunks:
        return np.concatenate(list(chunks))


BOTH = (("left", "first.wav"), ("2", "second.wav"))


def test_each_person_speaks_while_its_audio_does(pipeline, files, tmp_path):
    result = render(pipeline, speaking(files, tmp_path, *BOTH))
    assert (result.frames, result.frames_with_face, result.people) == (50, 50, 2)
    assert {(span.person, span.state) for span in result.spans} == {(1, "rendered"), (2, "rendered")}
    opened = openings(result.output)
    early, late = opened[:23], opened[29:]
    assert early[:, 0].max() > 0.05 > early[:, 1].max()
    assert late[:, 1].max() > 0.05 > late[:, 0].max()


def test_sound_is_the_mix_or_the_one_that_is_given(pipeline, files, tmp_path):
    first, second = (samples_of(files / name) for name in ("first.wav", "second.wav"))
    first = np.pad(first, (0, len(second) - len(first)))
    mix = samples_of(render(pipeline, speaking(files, tmp_path, *BOTH)).output)[: len(first)]
    for each in (first, second):
        assert np.corrcoef(mix, each[: len(mix)])[0, 1] > 0.6
    make_silence(tmp_path / "quiet.wav", 1.5)
    job = speaking(files, tmp_path, *BOTH, sound=tmp_path / "quiet.wav", overwrite=True)
    result = render(pipeline, job)
    assert (result.frames, result.duration) == (38, 1.5)
    assert np.abs(samples_of(result.output)).max() < 0.01
    assert openings(result.output)[:23, 0].max() > 0.05


@pytest.mark.parametrize(("sound", "used"), [(False, "it was encoded anew"), (True, "the mouth follows it")])
def test_damage_of_what_a_person_says_is_told(sound, used, pipeline, files, tmp_path):
    make_damaged_audio(files / "damaged.aac", files / "first.wav")
    options = {"sound": files / "first.wav"} if sound else {}
    speak = (("left", "damaged.aac"), ("2", "second.wav"))
    result = render(pipeline, speaking(files, tmp_path, *speak, duration=0.6, **options))
    message = f"the audio is damaged; {used}, without the parts that cannot be decoded"
    assert [text for text in result.warnings if "damaged;" in text] == [f"{files / 'damaged.aac'}: {message}"]


def test_person_whose_audio_ends_before_the_start_is_silent(pipeline, files, tmp_path):
    result = render(pipeline, speaking(files, tmp_path, *BOTH, start=1.2))
    assert result.duration == pytest.approx(0.8, abs=0.05)
    opened = openings(result.output)
    assert opened[:, 1].max() > 0.05 > opened[:, 0].max()
    job = speaking(files, tmp_path, *BOTH, start=2.5, overwrite=True)
    with pytest.raises(InputError, match=r"second.wav: --start 2.5: the audio is 2.00 s long"):
        check_job(job)


def test_timeline_that_cannot_be_written_does_not_hide_that_the_video_is_complete(
    pipeline, files, tmp_path, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(heygem_cli.timeline, "write_atomically", full)
    job = speaking(files, tmp_path, *BOTH, duration=0.2, timeline=tmp_path / "out.csv")
    with pytest.raises(
        HeygemError, match=r"out.csv: the disk is full. Free some space; .*complete: .*out.mp4"
    ) as error:
        render(pipeline, job)
    assert error.value.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_one_person_cannot_speak_twice(pipeline, files, tmp_path):
    job = speaking(files, tmp_path, ("1", "first.wav"), ("left", "second.wav"))
    with pytest.raises(InputError, match="--speak names person 1 twice"):
        render(pipeline, job)
    assert list(tmp_path.iterdir()) == []


def test_person_who_is_not_there_is_an_error(pipeline, files, tmp_path):
    with pytest.raises(InputError, match=r"there is no person 3; it shows 1 \(left\), 2 \(right\)"):
        render(pipeline, speaking(files, tmp_path, ("1", "first.wav"), ("3", "second.wav")))


def test_error_says_how_near_people_are_to_a_picture(pipeline, files, tmp_path):
    cv2.imwrite(str(tmp_path / "other.png"), scene(600, 500, (300, 250, 460, other_portrait())))
    chosen = RenderOptions(person=parse_person(str(tmp_path / "other.png")), loop="hold")
    job = RenderJob(files / "first.wav", files / "two.mp4", tmp_path / "out.mp4", chosen)
    with pytest.raises(InputError) as error:
        render(pipeline, job)
    differences = re.findall(r"person ([12]) differs by ([\d.]+)", error.value.message)
    assert [float(each) for _, each in differences] == sorted(float(each) for _, each in differences)
    assert float(differences[0][1]) > 0.85
    assert f"or a number, such as --person {differences[0][0]} " in error.value.hint


@pytest.mark.parametrize("text", ["", "1", "1=", "=a.wav", "biggest=a.wav", "0=a.wav"])
def test_text_that_is_no_speech_is_rejected(text):
    with pytest.raises(InputError):
        parse_speech(text)


def test_file_names_may_have_an_equals_sign():
    assert parse_speech("1=a=b.wav").audio == Path("a=b.wav")


def test_options_that_exclude_each_other_are_refused(files, tmp_path):
    job = speaking(files, tmp_path, *BOTH)
    wrong = [
        RenderJob(files / "second.wav", job.face, job.output, job.options),
        RenderJob(job.audio, job.face, job.output, RenderOptions(sound=files / "first.wav")),
        speaking(files, tmp_path, *BOTH, person=parse_speech("2=x").person),
        speaking(files, tmp_path, *BOTH, engine="heygem"),
    ]
    for each in wrong:
        with pytest.raises(InputError):
            check_job(each)


def test_point_is_one_of_the_full_picture_in_a_preview(pipeline, files, tmp_path):
    options = RenderOptions(person=parse_person("600,190"), loop="hold")
    job = RenderJob(files / "first.wav", files / "two.mp4", tmp_path / "out.mp4", options, half_size=True)
    result = render(pipeline, job)
    assert (result.width, {span.person for span in result.spans}) == (WIDTH, {2})


def test_number_with_a_later_start_is_explained(pipeline, files, tmp_path):
    options = RenderOptions(person=parse_person("2"), loop="hold", face_start=0.08)
    result = render(pipeline, RenderJob(files / "first.wav", files / "two.mp4", tmp_path / "out.mp4", options))
    assert result.warnings == (
        f"{files / 'two.mp4'}: people are counted from --face-start on, as heygem faces counts them with that option",
    )


def test_python_needs_no_audio_for_several_people(files, tmp_path):
    speak = [f"left={files / 'first.wav'}", f"right={files / 'second.wav'}"]
    result = heygem_cli.render(None, files / "two.mp4", tmp_path / "out.mp4", speak=speak, loop="hold", device="cpu")
    assert {span.person for span in result.spans} == {1, 2}
    with pytest.raises(InputError, match="audio is missing"):
        heygem_cli.render(None, files / "two.mp4", tmp_path / "other.mp4")
