"""Tests of ``heygem batch`` without a manifest, as a process."""

import json
import shutil
import signal

import pytest

from batch_program import Batch, is_complete

JOURNAL = ["batch.journal.jsonl", "batch.journal.lock"]


@pytest.fixture
def files(batch):
    """A folder with a face video and, in another folder, two voices and what is no audio file."""
    (batch.folder / "speech").mkdir()
    for name in ("a.wav", "b.wav"):
        (batch.folder / name).rename(batch.folder / "speech" / name)
    (batch.folder / "speech" / "notes.txt").write_text("hello")
    batch.before = set(batch.files())
    return batch


def in_folder(batch: Batch, name: str) -> list[str]:
    return sorted(path.name for path in (batch.folder / name).iterdir())


def plan(batch: Batch, *args, manifest="speech") -> dict[str, str]:
    return {job["id"]: job["action"] for job in batch.json(*args, "--dry-run", manifest=manifest)["jobs"]}


def test_every_audio_is_rendered_onto_the_video_and_stays_done(files):
    args = ("--video", "face.mp4", "--output-dir", "out/new/")
    done = files.run("--video", "face.mp4", "--output-dir", "out/new/", manifest="speech")
    assert done.returncode == 0, done.stderr
    assert in_folder(files, "out/new") == [*JOURNAL, "face_a.mp4", "face_b.mp4"]
    assert files.new_files() == ["out"]
    assert is_complete(files.folder / "out/new/face_a.mp4", 0.4)
    shutil.copy(files.folder / "c.wav", files.folder / "speech")
    assert plan(files, *args) == {"face_a": "done", "face_b": "done", "face_c": "do"}
    (files.folder / "out/new/face_a.mp4").unlink()
    assert plan(files, "speech/b.wav", *args, manifest="speech/a.wav") == {"face_a": "do", "face_b": "done"}
    (files.folder / "out").rename(files.folder / "moved")
    assert plan(files, "--video", "face.mp4", "--output-dir", "moved/new", manifest="speech/b*")["face_b"] == "done"


def test_outputs_do_not_become_inputs_of_the_next_run(files):
    args = ("--video", "face.mp4", "--output-dir", "speech")
    assert files.statuses(*args, manifest="speech/[ab].wav") == {"face_a": "done", "face_b": "done"}
    named = ["speech/face_a.mp4", "speech/face_b.mp4"]
    again = files.run(named[0], named[1], *args, "--dry-run", manifest="speech/a.wav")
    assert again.stderr == f"Left out 2 files that this batch made: {', '.join(named)}\n"
    assert "1 job: 1 done" in again.stdout
    assert plan(files, *args, manifest="speech/*.[mw]*") == {"face_a": "done", "face_b": "done"}
    alone = files.run(*args, "--dry-run", manifest="speech/*.mp4")
    assert (alone.returncode, alone.stdout) == (2, "")
    assert alone.stderr.startswith("error: speech/face_a.mp4: there is no audio file but outputs of this batch.")


def test_outputs_are_named_by_the_template(files):
    hostile = 'say "{face}"\n你好 \' \\.wav'
    shutil.copy(files.folder / "c.wav", files.folder / "speech" / hostile)
    args = ("--video", "face.mp4", "--output-template", "{{{audio_type}}} {audio}.mov", "--output-dir", "out")
    listed = files.json(*args, "--dry-run", manifest="speech/say*")["jobs"]
    assert [job["output"] for job in listed] == ["out/{wav} " + hostile.removesuffix("wav") + "mov"]
    assert files.run(*args, manifest="speech/say*").returncode == 0
    assert plan(files, *args, manifest="speech/say*") == {"{wav} " + hostile.removesuffix("wav") + "mov": "done"}


def test_two_outputs_of_one_name_are_an_error(files):
    shutil.copy(files.folder / "speech/b.wav", files.folder / "speech/a.wave")
    done = files.run("--video", "face.mp4", manifest="speech")
    assert (done.returncode, done.stdout, files.new_files()) == (2, "", [])
    assert done.stderr == (
        "error: batch: 1 problem, nothing was started:\n"
        "  row 2, column output: face_a.mp4 is also the output of row 1. Tell them apart with --output-template. "
        "There are: {face}, {audio}, {audio_folder}, {audio_type}\n"
    )
    template = ("--output-template", "{audio}.{audio_type}.mp4")
    assert len(plan(files, "--video", "face.mp4", *template)) == 3


def test_a_name_that_is_not_utf_8_is_an_error(files):
    shutil.copy(files.folder / "c.wav", bytes(files.folder / "speech") + b"/\xc4\xe3.wav")
    done = files.run("--video", "face.mp4", manifest="speech")
    assert "row 3, column audio: speech/\\udcc4\\udce3.wav: the name of the file is not UTF-8. Rename it" in done.stderr
    assert (done.returncode, files.new_files()) == (2, [])


def test_wrong_usage_is_an_error(files):
    done = files.run("--video", "*.mp4", "--output-dir", "out", manifest="speech")
    assert (done.returncode, done.stdout, files.new_files()) == (2, "", [])
    assert done.stderr.startswith("error: face.mp4: 3 videos for 2 audio files.")
    broken = files.run("--video", "no.mp4", "--output-dir", "c.wav", manifest="speech")
    assert "rows 1, 2, column face: no.mp4: there is no such file" in broken.stderr
    assert f"rows 1, 2, column output: {files.folder}/c.wav: this is a file, not a folder" in broken.stderr


def test_files_of_one_name_are_paired_in_one_folder(files):
    for name, source in (("a.mp4", "face.mp4"), ("b.mp4", "other.mp4")):
        shutil.copy(files.folder / source, files.folder / "speech" / name)
    args = ("--pair", "stem", "--video", "speech", "--output-dir", "speech", "--output-template", "{audio} speaks.mp4")
    assert files.statuses(*args, manifest="speech") == {"a speaks": "done", "b speaks": "done"}
    assert is_complete(files.folder / "speech" / "b speaks.mp4", 0.6)
    shutil.copy(files.folder / "c.wav", files.folder / "speech")
    again = files.run(*args, manifest="speech")
    assert (again.returncode, again.stdout) == (2, "")
    assert "row 3, column face: no video has the name of speech/c.wav" in again.stderr
    (files.folder / "speech/c.wav").unlink()
    named = [f"speech/{name}.mp4" for name in ("a", "b", "a speaks", "b speaks")]
    unquoted = files.run("--pair", "stem", "--output-dir", "speech", "--dry-run", *args[-2:], "--video", *named,
                         manifest="speech/*.wav")  # fmt: skip
    assert "2 jobs: 2 done" in unquoted.stdout
    assert "Left out 2 files that this batch made: speech/a speaks.mp4, speech/b speaks.mp4" in unquoted.stderr


def test_manifest_of_the_files_is_written_instead(files):
    args = ("--video", "face.mp4", "--output-dir", "out", "--loop", "hold")
    done = files.run(*args, "--write-manifest", "list.tsv", manifest="speech")
    assert (done.returncode, done.stdout, done.stderr) == (0, "list.tsv: 2 rows\n", "")
    assert files.new_files() == ["list.tsv"]
    listed = files.json("--dry-run", manifest="list.tsv")["jobs"]
    outputs = [str(files.folder / f"out/face_{name}.mp4") for name in "ab"]
    assert sorted(job["output"] for job in listed) == outputs
    assert "\thold" in (files.folder / "list.tsv").read_text()
    again = files.run(*args, "--write-manifest", "list.tsv", manifest="speech")
    assert (again.returncode, again.stderr.partition(".")[2][:22]) == (2, "tsv: this file exists.")
    (files.folder / "speech" / "bad.wav").write_text("no sound")
    skipped = files.run(*args, "--skip-bad", "--write-manifest", "l.json", manifest="speech")
    assert (skipped.returncode, skipped.stdout) == (3, "l.json: 2 rows\n")
    assert skipped.stderr.startswith("row 3 is left out: column audio: speech/bad.wav: ")


def test_shards_share_the_journals_of_the_folder(files):
    args = ("--video", "face.mp4", "--output-dir", "out")
    for shard in ("1/2", "2/2"):
        assert files.run(*args, "--shard", shard, manifest="speech").returncode == 0
    assert plan(files, *args) == {"face_a": "done", "face_b": "done"}
    journals = [name for name in in_folder(files, "out") if name.endswith(".jsonl")]
    assert journals == ["batch.1-of-2.journal.jsonl", "batch.2-of-2.journal.jsonl"]


def test_failed_files_are_left_alone_until_they_are_retried(files):
    args = ("--video", "nobody.mp4", "--output-dir", "out")
    assert set(files.statuses(*args, manifest="speech").values()) == {"failed"}
    assert plan(files, *args) == {"nobody_a": "failed", "nobody_b": "failed"}
    assert plan(files, *args, "--retry-failed") == {"nobody_a": "do", "nobody_b": "do"}
    report = files.run(*args, "--failed-manifest", "failed.jsonl", manifest="speech")
    assert report.returncode == 1
    rows = [json.loads(line) for line in (files.folder / "failed.jsonl").read_text().splitlines()]
    assert [row["output"] for row in rows] == [str(files.folder / f"out/nobody_{name}.mp4") for name in "ab"]


def test_another_file_of_the_same_name_does_not_replace_an_output(files):
    args = ("--video", "face.mp4", "--output-dir", "out")
    assert files.statuses(*args, manifest="speech/a.wav") == {"face_a": "done"}
    made = (files.folder / "out/face_a.mp4").read_bytes()
    (files.folder / "tuesday").mkdir()
    shutil.copy(files.folder / "c.wav", files.folder / "tuesday/a.wav")
    again = files.run(*args, manifest="tuesday")
    assert again.returncode == 1
    assert f"out/face_a.mp4: the output exists, made from {files.folder}/speech/a.wav. Use another" in again.stdout
    assert (files.folder / "out/face_a.mp4").read_bytes() == made
    assert plan(files, *args, manifest="speech/a.wav") == {"face_a": "done"}
    shutil.copy(files.folder / "speech/b.wav", files.folder / "speech/a.wav")  # a new version of the same file
    assert plan(files, *args, manifest="speech/a.wav") == {"face_a": "changed"}
    assert plan(files, *args, "--overwrite", manifest="tuesday") == {"face_a": "changed"}
    shutil.copy(files.folder / "speech/b.wav", files.folder / "tuesday/a.wav")
    assert files.statuses(*args, manifest="speech/a.wav") == {"face_a": "done"}
    assert plan(files, *args, manifest="tuesday") == {"face_a": "done"}  # the same content


def test_what_arrives_in_a_folder_is_rendered_until_a_signal(files):
    inbox = files.folder / "inbox"
    inbox.mkdir()
    shutil.copy(files.folder / "speech/a.wav", inbox)
    process = files.start(
        "--video", "face.mp4", "--output-dir", "inbox", "--json", "--quiet", "--watch-folder", "inbox",
        manifest="--no-cache",
    )  # fmt: skip
    first = json.loads(process.stdout.readline())
    assert [(job["id"], job["status"]) for job in first["jobs"]] == [("face_a", "done")]
    (inbox / "bad.wav").write_text("no sound")
    with (inbox / "b.wav").open("wb") as file:
        voice = (files.folder / "speech/b.wav").read_bytes()
        file.write(voice[: len(voice) // 2])
        file.flush()
        second = json.loads(process.stdout.readline())
        file.write(voice[len(voice) // 2 :])
    found = {job["id"]: job["error"]["code"] for job in second["jobs"]}
    assert found.pop("row 1", found.pop("face_bad", None)) == "unusable"
    statuses = {}
    while statuses.get("face_b") != "done":
        statuses |= {job["id"]: job["status"] for job in json.loads(process.stdout.readline())["jobs"]}
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")
    assert is_complete(inbox / "face_b.mp4", 0.6)
    assert in_folder(files, "inbox") == ["a.wav", "b.wav", "bad.wav", *JOURNAL, "face_a.mp4", "face_b.mp4"]


def test_folder_cannot_be_watched_without_a_usable_video(files):
    for video, message in (("no.mp4", "no.mp4: there is no such file"), ("*.mp4", "face.mp4: 3 videos for the audio")):
        done = files.run("--video", video, "--watch-folder", "speech", manifest="--no-cache")
        assert done.returncode == 2
        assert message in done.stderr
    done = files.run("--video", "face.mp4", "--watch-folder", "nowhere", manifest="--no-cache")
    assert "nowhere: this folder cannot be read" in done.stderr
