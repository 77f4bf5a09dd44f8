"""Find ffmpeg, and run it as a child process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from heygem_cli.errors import HeygemError, NotCapableError
from heygem_cli.processes import find_program
from heygem_cli.runtime import ffmpeg_threads

PIPE_BYTES = 1 << 20
_INSTALL_FFMPEG = "Reinstall it: pip install --force-reinstall imageio-ffmpeg"
_RAISE_LIMITS = "Close other programs, or raise the limits (ulimit -a)"

_STOPPED = 255
"""The exit status of ffmpeg after SIGTERM or SIGINT, for which it ends as if the input did."""


@functools.cache
def find_ffmpeg() -> str:
    """Return the path of ffmpeg: ``IMAGEIO_FFMPEG_EXE``, else the one inside imageio-ffmpeg, else one in ``PATH``.

    Raises:
        NotCapableError: ``no-ffmpeg``: there is none, or it is one that cannot be used.
    """
    named = os.environ.get("IMAGEIO_FFMPEG_EXE", "")
    if not named and (bundled := _bundled_ffmpeg()):
        return bundled
    hint = "Unset IMAGEIO_FFMPEG_EXE, which names it" if named else _INSTALL_FFMPEG
    # A path that does not work is an error, and nothing else is used instead.
    found = named if "/" in named else find_program(named or "ffmpeg")
    if found is None:
        raise NotCapableError("no-ffmpeg", "ffmpeg was not found", hint=hint)
    _check_works(found, hint)
    return found


def _check_works(program: str, hint: str) -> None:
    """Check a program that anybody may have built."""
    command = [program, "-hide_banner", "-encoders"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else "it hangs"
        message = f"ffmpeg cannot be started ({reason})"
        raise NotCapableError("no-ffmpeg", message, hint=hint, path=program) from error
    if done.returncode > 0:  # if it was killed, that says nothing of it
        *_, reason = ["", *done.stderr.decode("utf-8", "replace").splitlines()]
        message = f"this is no ffmpeg that works: {reason or 'it says nothing'}"
        raise NotCapableError("no-ffmpeg", message, hint=hint, path=program)
    words = done.stdout.decode("utf-8", "replace").split()
    missing = [name for name in ("libx264", "aac") if name not in words]
    if missing and not done.returncode:
        message = f"this ffmpeg was built without the encoder {missing[0]}"
        raise NotCapableError("no-ffmpeg", message, hint=hint, path=program)


def _bundled_ffmpeg() -> str | None:
    """Return the program inside imageio-ffmpeg, which itself would run it first to see whether it works."""
    import imageio_ffmpeg

    programs = sorted(Path(imageio_ffmpeg.__file__).parent.glob("binaries/ffmpeg-*"))
    return next((str(path) for path in programs if os.access(path, os.X_OK)), None)


@dataclass
class FFmpegProcess:
    """A running ffmpeg, whose messages do not reach the terminal: the last ones are kept for the error."""

    popen: subprocess.Popen[bytes]
    _stderr_reader: threading.Thread
    _last_messages: deque[str]

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe into ffmpeg."""
        assert self.popen.stdin is not None  # noqa: S101
        return self.popen.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe out of ffmpeg."""
        assert self.popen.stdout is not None  # noqa: S101
        return self.popen.stdout

    @property
    def messages(self) -> list[str]:
        """The last messages, after the process has ended."""
        return list(self._last_messages)

    def wait(self) -> int:
        """Close stdin, wait until the process has ended and return its exit status."""
        if self.popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.popen.stdin.close()
        status = self.popen.wait()
        self._stderr_reader.join()
        return status

    def signal(self) -> int:
        """Wait until the process has ended, and return the signal that killed it, 0 if none did."""
        status = self.wait()
        if status == _STOPPED and not self._last_messages:
            return signal.SIGTERM
        return max(0, -status)

    def said(self, path: Path) -> list[str]:
        """Wait until the process, which reads a file, has ended, and return its last messages.

        Raises:
            HeygemError: ``reading-failed``: a signal ended it.
        """
        # After a signal that asks it to end, it says so and ends as if the input did.
        if self.signal() or any("received signal" in message for message in self.messages[-3:]):
            raise self.error(path, "reading")
        return self.messages

    def error(self, path: Path, action: Literal["reading", "writing"]) -> HeygemError:
        """Wait until the process has ended, and return the error that describes why it failed."""
        status = self.wait()
        text = "\n".join(self._last_messages)
        if "No space left on device" in text or "File too large" in text or "Disk quota exceeded" in text:
            return HeygemError("disk-full", "the disk is full", hint="Free some space and run again", path=path)
        if "Permission denied" in text:
            return HeygemError("no-permission", f"permission denied while {action} it", path=path)
        code = "reading-failed" if action == "reading" else "writing-failed"
        if signum := self.signal():
            hint = "Run again; if that fails, search the kernel log for the out-of-memory killer"
            message = f"ffmpeg was killed by signal {signum} while {action} it"
            return HeygemError(code, message, hint=hint, path=path)
        reason = self._last_messages[-1] if self._last_messages else f"exit status {status}"
        return HeygemError(code, f"ffmpeg failed while {action} it: {reason}", path=path)


@contextlib.contextmanager
def running(
    args: list[str],
    *,
    stdin: bool | IO[bytes] = False,
    stdout: bool = False,
    messages: int = 20,
    inherited: tuple[int, ...] = (),
) -> Iterator[FFmpegProcess]:
    """Run ffmpeg while the block lasts; it is killed if it still runs at the end.

    It reads from a new pipe, from an open file, or from nothing. Its last ``messages`` are kept. Files that it is to
    open as ``/proc/self/fd/N`` are ``inherited``.

    Ctrl-C in the terminal does not reach it, since it has a session of its own. If this process is killed, the pipes
    break, which ends ffmpeg too.
    """
    with _start(args, stdin=stdin, stdout=stdout, inherited=inherited) as popen:
        last_messages: deque[str] = deque(maxlen=messages)
        # The thread closes it: a signal may raise here before the thread runs.
        stderr, popen.stderr = popen.stderr, None
        stderr_reader = threading.Thread(target=_keep_last_messages, args=(stderr, last_messages), daemon=True)
        try:
            stderr_reader.start()
            for pipe in filter(None, (popen.stdin, popen.stdout)):
                with contextlib.suppress(OSError):  # above the limit of the system: a smaller pipe works too
                    fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            yield FFmpegProcess(popen, stderr_reader, last_messages)
        finally:
            popen.kill()
            popen.wait()
            if stderr_reader.is_alive():
                stderr_reader.join()


def _start(
    args: list[str], *, stdin: bool | IO[bytes], stdout: bool, inherited: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [find_ffmpeg(), *_limits(), *args],
            stdin=subprocess.PIPE if stdin is True else stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=inherited,
            start_new_session=True,
            restore_signals=False,  # ffmpeg reports broken pipes and full disks, unless a signal kills it
        )
    except OSError as error:
        message = f"ffmpeg cannot be started ({error.strerror})"
        hint = _RAISE_LIMITS if error.errno in (errno.EMFILE, errno.ENFILE, errno.EAGAIN) else _INSTALL_FFMPEG
        raise NotCapableError("no-ffmpeg", message, hint=hint, path=find_ffmpeg()) from error


def _limits() -> list[str]:
    """Return the arguments that limit the threads of the first decoder and of filters."""
    names = ("-threads", "-filter_threads", "-filter_complex_threads")
    threads = ffmpeg_threads()
    return [word for name in names for word in (name, str(threads))] if threads else []


def _keep_last_messages(stderr: IO[bytes], messages: deque[str]) -> None:
    with stderr, open(stderr.fileno(), "rb", closefd=False) as lines:
        for line in lines:
            text = line[:1000].decode("utf-8", "replace").strip()
            if text:
                messages.append(text)
