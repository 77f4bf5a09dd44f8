"""Leave no incomplete output and no files behind, whatever happens while one is written."""

import errno
import fcntl
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from heygem_cli.errors import HeygemError
from heygem_cli.files import part_file, remove_stale_parts
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import VideoInfo
from heygem_cli.media.write import encode_video
from media_factory import FAST


def test_too_few_frames_are_an_error(small: VideoInfo, voice: Path, tmp_path: Path):
    with (
        pytest.raises(HeygemError, match=r"out\.mp4: the output has 1\.000 s of video instead of 1\.230 s"),
        encode_video(tmp_path / "out.mp4", small, probe_audio(voice), seconds=1.23, options=FAST) as writer,
    ):
        for frame in read_frames(small):
            writer.write(frame)
    with (
        pytest.raises(HeygemError),
        encode_video(tmp_path / "out.mp4", small, probe_audio(voice), seconds=1.23, options=FAST),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_exception_leaves_no_files(error: type[BaseException], small: VideoInfo, voice: Path, tmp_path: Path):
    (tmp_path / "out.mp4").write_bytes(b"previous content")
    with (
        pytest.raises(error),
        encode_video(tmp_path / "out.mp4", small, probe_audio(voice), seconds=1.23, options=FAST) as writer,
    ):
        writer.write(next(read_frames(small)))
        assert len(list(tmp_path.iterdir())) == 2
        raise error
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out.mp4", b"previous content")]


@pytest.mark.parametrize("hard_links", [True, False])
def test_file_that_appears_meanwhile_is_replaced_only_with_overwrite(
    hard_links: bool, small: VideoInfo, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if not hard_links:
        monkeypatch.setattr(Path, "hardlink_to", refuse_link)
    output, audio = tmp_path / "out.mp4", probe_audio(voice)
    still = {"seconds": 0.04, "options": FAST, "overwrite": False}
    with encode_video(output, small, audio, **still) as writer:
        writer.write(next(read_frames(small)))
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    output.unlink()
    with (
        pytest.raises(HeygemError, match=r"out.mp4: another file with this name was created .* --overwrite"),
        encode_video(output, small, audio, **still) as writer,
    ):
        writer.write(next(read_frames(small)))
        output.symlink_to("nowhere")
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert output.is_symlink()
    with encode_video(output, small, audio, **still | {"overwrite": True}) as writer:
        writer.write(next(read_frames(small)))
    assert probe_video(output).frames == 1


def refuse_link(*_: object) -> None:
    """Fail as on FAT."""
    raise PermissionError(errno.EPERM, "Operation not permitted")


WRITER = """
import sys; from pathlib import Path
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video; from heygem_cli.media.read import loop_frames
from heygem_cli.media.write import encode_video; from heygem_cli.options import EncodeOptions
video, audio = probe_video(Path(sys.argv[1])), probe_audio(Path(sys.argv[2]))
with encode_video(Path("out.mp4"), video, audio, seconds=1.23, options=EncodeOptions()) as writer:
    for i, (_, frame) in enumerate(loop_frames(video, 1000000, "pingpong")):
        if i == int(sys.argv[3]):
            print("writing", flush=True)
            sys.stdin.read(1)
        writer.write(frame)
"""


@pytest.mark.parametrize("frames", [0, 30])
def test_killed_run_leaves_no_output_and_its_part_file_is_removed(
    frames: int, clip: Path, voice: Path, small: VideoInfo, tmp_path: Path
):
    command = [sys.executable, "-c", WRITER, str(clip), str(voice), str(frames)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as run:
        try:
            assert run.stdout is not None
            assert run.stdout.readline() == b"writing\n"
            remove_stale_parts(tmp_path)
            (part,) = tmp_path.iterdir()  # the run is alive, so its file is kept
            assert part.name.startswith(".out.")
        finally:
            run.kill()
    assert list(tmp_path.iterdir()) == [part]
    deadline = time.monotonic() + 20
    while part.exists():  # its lock is held until the encoder notices that its input has ended
        assert time.monotonic() < deadline
        with encode_video(tmp_path / "other.mp4", small, probe_audio(voice), seconds=0.04, options=FAST) as writer:
            writer.write(next(read_frames(small)))
    assert [path.name for path in tmp_path.iterdir()] == ["other.mp4"]


def test_encoder_does_not_create_a_file_that_was_deleted_before_it_opened_it(clip: Path, voice: Path, tmp_path: Path):
    command = [sys.executable, "-c", WRITER, str(clip), str(voice), "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"writing\n"
        for part in tmp_path.iterdir():
            part.unlink()
        run.kill()  # which ends the input of the encoder: it opens its output now
    end = time.monotonic() + 1
    while time.monotonic() < end:
        assert list(tmp_path.iterdir()) == []
        time.sleep(0.02)


def test_only_unlocked_part_files_of_ours_are_removed(tmp_path: Path):
    for name in ("locked", "stale"):
        with part_file(tmp_path / f"{name}.mp4") as part:
            (tmp_path / "kept").hardlink_to(part.path)
        (tmp_path / "kept").rename(part.path)
    locked, stale = sorted(tmp_path.iterdir())
    # A copy of one of ours, and names that only look like ours.
    shutil.copy(stale, tmp_path / f".copy.{stale.name.partition('.stale.')[2]}")
    for name in (".mine.heygem-part", ".mine.0123abcd.heygem-part", ".mine.1-0123abcd.heygem-part"):
        (tmp_path / name).touch()
    link = f".link.{locked.stat().st_ino:x}-0123abcd.heygem-part"
    (tmp_path / link).symlink_to(locked)
    os.mkfifo(tmp_path / ".fifo.0123abcd.heygem-part")
    before = set(tmp_path.iterdir())
    with locked.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        remove_stale_parts(tmp_path)
    assert before - set(tmp_path.iterdir()) == {stale}


def test_part_file_without_locks_is_removed_when_it_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fcntl, "flock", refuse_lock)
    with part_file(tmp_path / "a.mp4") as part:
        remove_stale_parts(tmp_path)
        assert part.path.exists()
        os.utime(part.path, (0, 0))
        remove_stale_parts(tmp_path)
        assert not part.path.exists()


def refuse_lock(*_: object) -> None:
    """Fail as on a file system without locks."""
    raise OSError(errno.ENOLCK, "No locks available")


def limit_file_size(size: int):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_full_disk_is_an_error(clip: Path, voice: Path, tmp_path: Path):
    command = [sys.executable, "-c", WRITER.replace("sys.stdin.read(1)", ""), str(clip), str(voice), "30"]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=limit_file_size(60000),
        check=False,
        timeout=60,
    )
    assert "HeygemError: out.mp4: the disk is full" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_encoder_that_is_killed_is_an_error(small: VideoInfo, voice: Path, tmp_path: Path):
    frame = next(read_frames(small))
    with (
        pytest.raises(HeygemError, match=r"out\.mp4: ffmpeg was killed by signal 9 while writing") as caught,
        encode_video(tmp_path / "out.mp4", small, probe_audio(voice), seconds=1.23, options=FAST) as writer,
    ):
        writer.encoder.popen.kill()
        for _ in range(1000):
            writer.write(frame)
    assert caught.value.code == "writing-failed"
    assert list(tmp_path.iterdir()) == []
