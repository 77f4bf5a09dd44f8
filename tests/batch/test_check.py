"""Tests of the check before anything starts."""

import shutil
from pathlib import Path

import pytest

from heygem_cli.batch.check import check_encoders, check_rows
from heygem_cli.batch.manifest import RawRow, format_problems
from heygem_cli.batch.rows import make_rows
from heygem_cli.errors import InputError, NotCapableError
from heygem_cli.job import Inputs
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.write import encoder_available
from heygem_cli.options import EncodeOptions, EngineOptions, RenderOptions
from media_factory import ffmpeg


@pytest.fixture
def rows_of(clip, voice, tmp_path):
    def make(*rows, options=RenderOptions()):  # noqa: B008
        defaults = {"audio": str(voice), "face": str(clip)}
        raw_rows = [RawRow(n, None, {**defaults, "id": f"r{n}", **row}) for n, row in enumerate(rows, 1)]
        resolved, problems = make_rows(raw_rows, tmp_path, options)
        assert problems == []
        return resolved

    return make


def check(rows, **options):
    checked, problems = check_rows(rows, {}, EngineOptions(), **options)
    return [row.row.id for row in checked], format_problems(problems)


def test_every_distinct_file_is_probed_once(rows_of):
    progress = []
    ids, problems = check(rows_of(*[{}] * 5), on_progress=lambda done, total: progress.append((done, total)))
    assert (ids, problems) == (["r1", "r2", "r3", "r4", "r5"], [])
    assert progress == [(1, 2), (2, 2)]


def test_checked_row_has_the_probed_inputs(rows_of, voice, clip):
    (checked,), _ = check_rows(rows_of({}), {}, EngineOptions())
    assert checked.inputs.files.unpack(checked.row.job) == Inputs(probe_audio(voice), probe_video(clip))
    assert checked.inputs.seconds == pytest.approx(1.23, abs=0.01)


def test_all_problems_are_reported(rows_of, tmp_path, image):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "there.mp4").touch()
    rows = rows_of(
        {"audio": "no.wav", "face": "empty.mp4"},
        {"audio": str(image)},
        {},
        {"output": "empty.mp4/x.mp4"},
        {"output": "there.mp4"},
        {"audio": "no.wav"},
    )
    ids, problems = check(rows)
    assert ids == ["r3"]
    assert problems == [
        f"rows 1, 6, column audio: {tmp_path}/no.wav: there is no such file. "
        "Check the path; in a manifest it is relative to the manifest's folder",
        f"row 1, column face: {tmp_path}/empty.mp4: the file is empty. Copy or export it again",
        f"row 2, column audio: {image}: this is an image, not audio. Give the audio first",
        f"row 4, column output: {tmp_path}/empty.mp4: this is a file, not a folder. "
        "Choose another folder for the output",
        f"row 5, column output: {tmp_path}/there.mp4: the output exists. Use --overwrite to replace it",
    ]


def test_parts_and_driving_audio_are_checked(rows_of, tmp_path, voice):
    shutil.copy(voice, tmp_path / "a.wav")
    rows = rows_of(
        {"start": "0:99"},
        {"drive_audio": "no.wav"},
        {"drive_audio": "a.wav"},
        {"face_start": "1:00"},
    )
    ids, problems = check(rows)
    assert ids == ["r3"]
    assert rows[2].job.options.drive_audio == tmp_path / "a.wav"
    starts = ("row 1, column start: ", f"row 2, column drive_audio: {tmp_path}/no.wav: ", "row 4, column face_start: ")
    assert all(problem.startswith(start) for problem, start in zip(problems, starts, strict=True))


def test_part_shorter_than_a_frame_is_a_problem(rows_of, voice, tmp_path):
    shutil.copy(voice, tmp_path / "a.wav")
    rows = rows_of(
        {"duration": "0.001"}, {"start": "1.22"}, {"duration": "0.001", "drive_audio": "a.wav"}, {"duration": "0.1"}
    )
    ids, problems = check(rows)
    assert ids == ["r4"]
    text = "the part of the audio is shorter than a frame of the video, 0.04 s. Choose a longer part"
    assert problems == [
        f"rows 1, 3, column duration: {voice}: --duration 0.001: {text}",
        f"row 2, column start: {voice}: --start 1.22: {text}",
    ]


def test_special_file_is_a_problem(rows_of):
    (problem,) = check(rows_of({"audio": "/proc/self/mem"}))[1]
    assert problem.startswith("row 1, column audio: /proc/self/mem: this is a pipe, a device or an open file of a proc")


def test_output_that_the_batch_made_is_no_problem(rows_of, tmp_path):
    (tmp_path / "r1.mp4").touch()
    (tmp_path / "r2.mp4").touch()
    (checked,), problems = check_rows(rows_of({}, {}), {"r1.mp4": frozenset({"digest"})}, EngineOptions())
    assert checked.row.job.own.digests == {"digest"}
    assert [problem.row for problem in problems] == [2]
    assert check(rows_of({"overwrite": "yes"}))[1] == []


def test_broken_link_counts_as_existing_output(rows_of, tmp_path):
    (tmp_path / "r1.mp4").symlink_to("nowhere")
    assert check(rows_of({}))[1] == [
        f"row 1, column output: {tmp_path}/r1.mp4: the output exists. Use --overwrite to replace it"
    ]


def test_every_output_of_a_folder_is_checked_after_the_first(rows_of, tmp_path):
    (tmp_path / "link.mp4").symlink_to("nowhere")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "THERE.MP4").touch()
    outputs = ["1.mp4", "link.mp4", "folder.mp4", "THERE.MP4", "x.avi", f"{'x' * 300}.mp4", "2.mp4", ".mp4", "3.MOV"]
    ids, problems = check(rows_of(*({"output": output} for output in outputs)))
    assert ids == ["r1", "r7", "r9"]
    texts = (
        "link.mp4: the output exists",
        "the output is a folder",
        "THERE.MP4: the output exists",
        "the output cannot have the format",
        "the name is too long",
        "/.mp4: the output cannot have the format",
    )
    assert all(text in problem for text, problem in zip(texts, problems, strict=True))


def test_folder_that_is_a_link_to_itself_is_a_problem(rows_of, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    assert check(rows_of({"output": "loop/r1.mp4"}, {"output": "loop/r2.mp4"}))[1] == [
        f"rows 1, 2, column output: {tmp_path}/loop: this is a broken link, not a folder. "
        "Choose another folder for the output"
    ]


@pytest.mark.parametrize("kind", ["audio", "face", "manifest"])
def test_output_never_replaces_an_input(rows_of, tmp_path, clip, kind):
    (tmp_path / "copy.mp4").write_bytes(Path(clip).read_bytes())
    (tmp_path / "same.mp4").hardlink_to(tmp_path / "copy.mp4")
    protected = [tmp_path / "copy.mp4"] if kind == "manifest" else []
    other = {} if kind == "manifest" else {kind: "copy.mp4"}
    _, problems = check(rows_of({"output": "same.mp4", "overwrite": "yes"}, other), protected=protected)
    assert problems == [
        f"row 1, column output: {tmp_path}/same.mp4: the output is an input or the manifest. Name another file"
    ]


def test_unknown_engine_is_an_error(rows_of):
    with pytest.raises(InputError, match="Did you mean mesh"):
        check(rows_of({}, options=RenderOptions(engine="mash")))


@pytest.mark.skipif(encoder_available("h264_nvenc"), reason="this machine has NVENC")
def test_unavailable_encoder_is_an_error(rows_of):
    encode = EncodeOptions(encoder="h264_nvenc")
    checked, _ = check_rows(rows_of({}, options=RenderOptions(encode=encode)), {}, EngineOptions())
    with pytest.raises(NotCapableError, match="h264_nvenc"):
        check_encoders(checked)


def test_rows_may_use_different_tracks_of_one_file(rows_of, tmp_path):
    path = tmp_path / "tracks.mkv"
    tones = [part for hertz in (500, 900) for part in ("-f", "lavfi", "-i", f"sine={hertz}:duration=0.5")]
    ffmpeg(*tones, "-map", 0, "-map", 1, path)
    rows = rows_of({"audio": str(path)}, {"audio": str(path), "audio_track": "2"}, {"audio_track": "3"})
    checked, problems = check_rows(rows, {}, EngineOptions())
    assert [each.inputs.files.unpack(each.row.job).audio.stream for each in checked] == [0, 1]
    assert [problem.row for problem in problems] == [3]
    assert "has no audio track 3; it has 1: " in problems[0].message
