"""The process of ffmpeg: which program it is, how it ends, and what it may write."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from heygem_cli.errors import HeygemError, NotCapableError, StoppedError
from heygem_cli.media.ffmpeg import find_ffmpeg, running
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from media_factory import X264, make_video


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_closing_the_generator_ends_the_decoder(clip: Path):
    before = children_of(os.getpid())
    with closing(read_frames(probe_video(clip))) as frames:
        next(frames)
        assert len(children_of(os.getpid())) == len(before) + 1
    assert children_of(os.getpid()) == before


def test_decoder_ends_if_the_reader_is_killed(tmp_path: Path):
    long = make_video(tmp_path / "long.mp4", size=(640, 480), seconds=4)
    code = (
        "import sys, time; from pathlib import Path; from heygem_cli.media.probe_video import probe_video\n"
        "from heygem_cli.media.read import read_frames\n"
        "for frame in read_frames(probe_video(Path(sys.argv[1]))): print('read', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(long)], stdout=subprocess.PIPE) as reader:
        try:
            assert reader.stdout is not None
            assert reader.stdout.readline() == b"read\n"
            (decoder,) = children_of(reader.pid)
        finally:
            reader.kill()
    assert has_ended(decoder)


def has_ended(pid: int) -> bool:
    """Wait until a process that is not a child of this one has ended."""
    status = Path(f"/proc/{pid}/stat")
    for _ in range(200):
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


LIBRARY_MISSING = "error while loading shared libraries: libavdevice.so.58: cannot open shared object file"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (None, "ffmpeg cannot be started (No such file or directory)"),
        ("", "ffmpeg cannot be started (Exec format error)"),
        (f"#!/bin/sh\necho '{LIBRARY_MISSING}' >&2; exit 127", f"this is no ffmpeg that works: {LIBRARY_MISSING}"),
        ("#!/bin/sh\nexit 1", "this is no ffmpeg that works: it says nothing"),
        ("#!/bin/sh\necho ' V....D libx264'", "this ffmpeg was built without the encoder aac"),
        ("#!/bin/sh\ntrue", "this ffmpeg was built without the encoder libx264"),
    ],
)
def test_ffmpeg_that_cannot_be_used_is_an_error(
    program: str | None, reason: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "ffmpeg"
    if program is not None:
        path.write_text(program)
        path.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(path))
    find_ffmpeg.cache_clear()
    try:
        with pytest.raises(NotCapableError) as caught:
            list(read_frames(probe_video(clip)))
    finally:
        find_ffmpeg.cache_clear()
    assert caught.value.code == "no-ffmpeg"
    assert str(caught.value) == f"{path}: {reason}. Unset IMAGEIO_FFMPEG_EXE, which names it"


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_killed_decoder_is_an_error_that_names_the_signal(signum: int, tmp_path: Path):
    long = make_video(tmp_path / "long.mp4", size=(640, 480), seconds=4)
    before = children_of(os.getpid())
    with (
        pytest.raises(
            HeygemError, match=rf"long\.mp4: ffmpeg was killed by signal {signum:d} while reading it"
        ) as caught,
        closing(read_frames(probe_video(long))) as frames,
    ):
        next(frames)
        (decoder,) = set(children_of(os.getpid())) - set(before)
        os.kill(decoder, signum)
        for _ in frames:
            pass
    assert (caught.value.code, caught.value.exit_code) == ("reading-failed", 1)


@pytest.mark.parametrize("runs", [False, True])
def test_signal_while_ffmpeg_is_started_kills_it(runs: bool, monkeypatch: pytest.MonkeyPatch):
    start = threading.Thread.start

    def interrupted_start(thread: threading.Thread) -> None:
        if runs:
            start(thread)
        raise StoppedError(signal.SIGTERM)

    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    before = children_of(os.getpid())
    endless = ["-f", "lavfi", "-i", "color", "-f", "null", "-"]
    began = time.monotonic()
    with pytest.raises(StoppedError), running(endless, stdout=True):
        pass
    assert time.monotonic() - began < 5
    assert children_of(os.getpid()) == before


def test_program_inside_imageio_ffmpeg_is_not_run_to_find_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    program = tmp_path / "binaries" / "ffmpeg-linux-x86_64-v9"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/run\nkill -9 $$\n")
    monkeypatch.setattr("imageio_ffmpeg.__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setenv("PATH", "/nowhere")
    find_ffmpeg.cache_clear()
    try:
        with pytest.raises(NotCapableError, match="ffmpeg was not found"):
            find_ffmpeg()  # it is not executable
        program.chmod(0o755)
        find_ffmpeg.cache_clear()
        assert find_ffmpeg() == str(program)
    finally:
        find_ffmpeg.cache_clear()
    assert not (tmp_path / "run").exists()


def test_ffmpeg_does_not_write_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    whole = make_video(tmp_path / "whole.ts", codec=(*X264, "-g", "5"))
    (tmp_path / "cut.ts").write_bytes(whole.read_bytes()[5000:-5000])
    list(read_frames(probe_video(tmp_path / "cut.ts")))
    assert capfd.readouterr() == ("", "")
