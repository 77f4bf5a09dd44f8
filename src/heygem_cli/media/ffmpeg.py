"""The ffmpeg program: every argument list is built here by a pure function, and run as a child process.

File names are safe by construction: ``file:`` in front of them takes the meaning from a leading dash and from colons,
and the demuxer that probing found is named, so that ``%d`` in the name of a picture is no pattern.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO

from heygem_cli.errors import HeygemError, NotCapableError
from heygem_cli.media.types import AudioInfo, ColorTags, VideoInfo

PIPE_BYTES = 1 << 20
SEEKABLE = frozenset({"mov", "matroska"})
"""Formats with an index that seeks to the right place; all others are decoded from their beginning."""

_AAC_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_AAC_MAX_CHANNELS = 8

_AUDIO_CLOCK = "asetpts=PTS-STARTPTS,aresample=async=1"
"""From the first sample on, gaps in the timestamps are filled with silence."""

_FINITE = "aeval=if(isnan(val(ch))\\,0\\,clip(val(ch)\\,-1\\,1)):c=same"
"""Samples that are no numbers are silence, and none is beyond full scale: the AAC encoder ends at either."""

# A damaged file gives what can be decoded of it, however little that is.
_QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-max_error_rate", "1")

_INSTALL_FFMPEG = "Repair it: pip install --force-reinstall imageio-ffmpeg"

_ORIENT = {
    1: [], 2: ["hflip"], 3: ["hflip", "vflip"], 4: ["vflip"],
    5: ["transpose=cclock_flip"], 6: ["transpose=clock"], 7: ["transpose=clock_flip"], 8: ["transpose=cclock"],
}  # fmt: skip


@functools.cache
def program() -> str:
    """Give the path of the ffmpeg program; ``IMAGEIO_FFMPEG_EXE`` names another than the installed one.

    Raises:
        NotCapableError: ``no-ffmpeg``.
    """
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise NotCapableError("no-ffmpeg", "there is no ffmpeg program", hint=_INSTALL_FFMPEG) from error


def decode_video_args(video: VideoInfo, start: int = 0, count: int | None = None, threads: int = 0) -> list[str]:
    """Build the arguments that write the frames ``start`` … as raw yuv420p pictures to stdout."""
    seek = _seek_args(video, start) if video.demuxer in SEEKABLE else []
    if video.is_still:
        count = 1
    limit = [] if count is None else ["-frames:v", str(count)]
    return [
        *_QUIET, "-threads", str(threads), "-noautorotate", *seek, *_input(video.path, video.demuxer),
        # The first video stream that is not the cover of an album.
        "-map", "0:V:0", "-filter:v", ",".join(_picture_filters(video, start)), *limit,
        "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1",
    ]  # fmt: skip


def decode_audio_args(audio: AudioInfo, rate: int) -> list[str]:
    """Build the arguments that write the first audio stream as mono float samples to stdout."""
    return [
        *_QUIET, *_input(audio.path, audio.demuxer), "-map", "0:a:0", "-filter:a", f"{_AUDIO_CLOCK},aresample={rate}",
        "-ac", "1", "-f", "f32le", "-c:a", "pcm_f32le", "pipe:1",
    ]  # fmt: skip


def encode_args(
    output: Path,
    video: VideoInfo,
    audio: AudioInfo,
    *,
    seconds: float,
    codec: list[str],
    copy_audio: bool,
    metadata: Mapping[str, str],
) -> list[str]:
    """Build the arguments that make an mp4 of raw yuv420p pictures from stdin and of the audio.

    Sound that is encoded ends after ``seconds``; sound that is copied is copied whole.
    """
    tags = [f"{key}={value}" for key, value in _setparams(video.color).items()]
    filters = f"setparams={':'.join(tags)},setsar={_ratio(video.sample_aspect_ratio)}"
    # The first sample is heard at zero, wherever in its file it stands.
    shift = ["-itsoffset", f"{-float(audio.start):.6f}"]
    sound = ["-c:a", "copy"] if copy_audio else _aac_args(audio, seconds)
    return [
        *_QUIET, "-y", "-copyts", "-f", "rawvideo", "-pix_fmt", "yuv420p",
        "-video_size", f"{video.width}x{video.height}", "-framerate", _ratio(video.fps), "-i", "pipe:0",
        *shift, *_input(audio.path, audio.demuxer),
        "-map", "0:v:0", "-map", "1:a:0", "-map_metadata", "-1", "-map_chapters", "-1",
        "-filter:v", filters, *codec, "-pix_fmt", "yuv420p", *sound,
        *_metadata_args(metadata), "-movflags", "+faststart", "-f", "mp4", f"file:{output}",
    ]  # fmt: skip


def join_args(
    picture: VideoInfo, audio: AudioInfo, output: Path, *, seconds: float, copy_audio: bool, metadata: Mapping[str, str]
) -> list[str]:
    """Build the arguments that make an mp4 of the pictures of a video, as they are encoded, and of the audio."""
    sound = ["-c:a", "copy"] if copy_audio else _aac_args(audio, seconds)
    return [
        *_QUIET, "-y", "-copyts",
        "-itsoffset", f"{-float(picture.start):.6f}", *_input(picture.path, picture.demuxer),
        "-itsoffset", f"{-float(audio.start):.6f}", *_input(audio.path, audio.demuxer),
        "-map", "0:V:0", "-map", "1:a:0", "-map_metadata", "-1", "-map_chapters", "-1", "-c:v", "copy", *sound,
        *_metadata_args(metadata), "-movflags", "+faststart", "-f", "mp4", f"file:{output}",
    ]  # fmt: skip


def stage_audio_args(audio: AudioInfo, output: Path, rate: int) -> list[str]:
    """Build the arguments that write the first audio stream into a wav of 16-bit mono samples."""
    return [
        *_QUIET, "-y", *_input(audio.path, audio.demuxer), "-map", "0:a:0", "-map_metadata", "-1",
        "-filter:a", f"{_AUDIO_CLOCK},aresample={rate}", "-ac", "1", "-c:a", "pcm_s16le", "-f", "wav", f"file:{output}",
    ]  # fmt: skip


def stage_video_args(video: VideoInfo, output: Path, *, count: int, hold: bool) -> list[str]:
    """Build the arguments that write the first ``count`` frames, upright and at the rate ``video.fps``, into an mp4.

    With ``hold`` the last frame is repeated until there are ``count``.
    """
    filters = ["setpts=PTS-STARTPTS", *_picture_filters(video, 0)]
    if video.is_still:
        filters.append(f"fps={_ratio(video.fps)}")
    if hold:
        filters.append("tpad=stop=-1:stop_mode=clone")
    tags = [f"{key}={value}" for key, value in _setparams(video.color).items()]
    filters += [f"setparams={':'.join(tags)}", f"setsar={_ratio(video.sample_aspect_ratio)}"]
    return [
        *_QUIET, "-y", "-noautorotate", "-display_rotation", "0", *_input(video.path, video.demuxer),
        "-map", "0:V:0", "-map_metadata", "-1",
        "-filter:v", ",".join(filters), "-frames:v", str(count), *encoder_args("libx264", 12, "veryfast", 0),
        "-pix_fmt", "yuv420p", "-fps_mode", "passthrough", "-f", "mp4", f"file:{output}",
    ]  # fmt: skip


def encoder_args(encoder: str, crf: int, preset: str, threads: int) -> list[str]:
    """Build the arguments of a video encoder; NVENC has presets of its own, and takes ``crf`` as its CQ."""
    if encoder == "h264_nvenc":
        return ["-c:v", encoder, "-preset", "p4", "-rc", "vbr", "-cq", str(crf), "-b:v", "0"]
    return ["-c:v", encoder, "-preset", preset, "-crf", str(crf), "-threads", str(threads)]


def encoder_test_args(encoder: str, width: int, height: int) -> list[str]:
    """Build the arguments that encode a few pictures of this size to nowhere."""
    source = f"color=size={width}x{height}:rate=25:duration=0.2,format=yuv420p"
    return [*_QUIET, "-f", "lavfi", "-i", source, "-c:v", encoder, "-f", "null", "-"]


def _input(path: Path, demuxer: str) -> list[str]:
    return [*(["-f", demuxer] if demuxer else []), "-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]


def _metadata_args(metadata: Mapping[str, str]) -> list[str]:
    return [part for key, value in metadata.items() for part in ("-metadata", f"{key}={value}")]


def _seek_args(video: VideoInfo, start: int) -> list[str]:
    # Frames keep their timestamps, so that frame n is the same one wherever decoding begins. A second, and the longest
    # reordering of H.264 and HEVC, lie between the seek point and the first frame that counts.
    target = video.start + (start - 20) / video.fps - 1
    seek = ["-seek_timestamp", "1", "-noaccurate_seek", "-ss", f"{float(target):.6f}"] if target > video.start else []
    return ["-copyts", *seek]


def _picture_filters(video: VideoInfo, start: int) -> list[str]:
    filters = []
    if not video.is_still:
        filters.append(f"fps={_ratio(video.fps)}")
    if start:
        absolute = _nearest(video.start * video.fps) + start
        filters.append(f"trim=start_pts={absolute}" if video.demuxer in SEEKABLE else f"trim=start_frame={start}")
    if video.has_alpha:
        # Transparent parts become white, as in a viewer; premultiply alone would make them black.
        filters += ["format=gbrap", "negate", "premultiply=inplace=1", "negate", "format=gbrp"]
    filters += _ORIENT[video.orientation]
    filters.append("crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0")
    matrix = ":out_color_matrix=bt709" if video.is_rgb or video.has_alpha else ""
    # A stream may change its size on the way; what leaves here never does.
    filters.append(f"scale={video.width}:{video.height}:flags=bicubic+accurate_rnd:out_range=tv{matrix}")
    filters.append("format=yuv420p")
    return filters


def _nearest(value: Fraction) -> int:
    """Round halves away from zero, as ffmpeg's fps filter does."""
    rounded = int(abs(value) + Fraction(1, 2))
    return rounded if value >= 0 else -rounded


def _setparams(color: ColorTags) -> dict[str, str]:
    named = {"color_primaries": color.primaries, "color_trc": color.transfer, "colorspace": color.matrix}
    return {"range": "tv"} | {key: value for key, value in named.items() if value is not None}


def _aac_args(audio: AudioInfo, seconds: float) -> list[str]:
    rate = next((rate for rate in _AAC_RATES if rate >= audio.sample_rate), _AAC_RATES[-1])
    channels = audio.channels if 1 <= audio.channels <= _AAC_MAX_CHANNELS else 2
    # Only samples that are stored as floating-point numbers can be anything else.
    finite = f"{_FINITE}," if audio.codec.startswith("pcm_f") else ""
    return [
        "-filter:a", f"{finite}{_AUDIO_CLOCK},atrim=end={seconds:.6f}",
        "-c:a", "aac", "-ar", str(rate), "-ac", str(channels), "-b:a", f"{96 * channels}k",
    ]  # fmt: skip


def _ratio(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


@dataclass
class Child:
    """A running ffmpeg. Its messages never reach the terminal: the last lines are kept for the error."""

    process: subprocess.Popen[bytes]
    _drain: threading.Thread
    _tail: deque[str] = field(default_factory=deque)

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe into ffmpeg."""
        assert self.process.stdin is not None  # noqa: S101
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe out of ffmpeg."""
        assert self.process.stdout is not None  # noqa: S101
        return self.process.stdout

    def finish(self) -> int:
        """Close its stdin, wait for its end and give its exit status."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        status = self.process.wait()
        self._drain.join()
        return status

    def error(self, path: Path, doing: str) -> HeygemError:
        """Make the error that tells why it failed at ``doing`` (``reading``, ``writing``) the file."""
        status = self.finish()
        text = "\n".join(self._tail)
        if "No space left on device" in text or "File too large" in text or "Disk quota exceeded" in text:
            return HeygemError("disk-full", "the disk is full", hint="Free some space and run again", path=path)
        if "Permission denied" in text:
            return HeygemError("no-permission", f"no permission for {doing} it", path=path)
        reason = self._tail[-1] if self._tail else f"exit status {status}"
        return HeygemError(f"{doing}-failed", f"ffmpeg failed {doing} it: {reason}", path=path)


@contextlib.contextmanager
def running(args: list[str], *, stdin: bool = False, stdout: bool = False) -> Iterator[Child]:
    """Run ffmpeg with the arguments while the block lasts; what still runs at its end is killed.

    A Ctrl-C in the terminal does not reach the child (it has its own session): we decide when it ends. If this process
    is killed, the pipes break, and the child ends.
    """
    process = _start(args, stdin=stdin, stdout=stdout)
    tail: deque[str] = deque(maxlen=20)
    drain = threading.Thread(target=_keep_last, args=(process.stderr, tail), daemon=True)
    drain.start()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            _enlarge(pipe)
    try:
        yield Child(process, drain, tail)
    finally:
        _end(process, drain)


def _start(args: list[str], *, stdin: bool, stdout: bool) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [program(), *args],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            restore_signals=False,  # broken pipes and full disks are errors that ffmpeg words, not signals that kill it
        )
    except OSError as error:
        message = f"ffmpeg cannot be started ({error.strerror})"
        raise NotCapableError("no-ffmpeg", message, hint=_INSTALL_FFMPEG, path=program()) from error


def _end(process: subprocess.Popen[bytes], drain: threading.Thread) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    drain.join()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _keep_last(stderr: IO[bytes], tail: deque[str]) -> None:
    with open(stderr.fileno(), "rb", closefd=False) as lines:
        for line in lines:
            text = line[:1000].decode("utf-8", "replace").strip()
            if text:
                tail.append(text)


def _enlarge(pipe: IO[bytes]) -> None:
    try:
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EBUSY, errno.EINVAL}:  # a small limit only makes it slower
            raise
