"""Build ffmpeg command lines, and run ffmpeg as a child process.

Any file name is safe: the ``file:`` prefix keeps leading dashes and colons from being interpreted, and since the
demuxer is given explicitly, ``%d`` in the name of an image is not a pattern.
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
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Literal

from heygem_cli.errors import HeygemError, NotCapableError
from heygem_cli.media.types import AudioInfo, VideoInfo

PIPE_BYTES = 1 << 20
SEEKABLE = frozenset({"mov", "matroska"})
"""Demuxers with a reliable index; files of all others are decoded from the beginning."""

_AAC_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_AAC_MAX_CHANNELS = 8

_FILL_GAPS = "asetpts=PTS-STARTPTS,aresample=async=1"
"""Start at zero, and fill gaps in the timestamps with silence."""

_SANITIZE = "aeval=if(isnan(val(ch))\\,0\\,clip(val(ch)\\,-1\\,1)):c=same"
"""Replace NaN with silence and clip to full scale: the AAC encoder fails on either."""

# Of a damaged file everything that can be decoded is used, however little that is.
_COMMON = ("-hide_banner", "-nostdin", "-loglevel", "error", "-max_error_rate", "1")

_INSTALL_FFMPEG = "Reinstall it: pip install --force-reinstall imageio-ffmpeg"

_ORIENTATION_FILTERS = {
    1: [], 2: ["hflip"], 3: ["hflip", "vflip"], 4: ["vflip"],
    5: ["transpose=cclock_flip"], 6: ["transpose=clock"], 7: ["transpose=clock_flip"], 8: ["transpose=cclock"],
}  # fmt: skip


@functools.cache
def find_ffmpeg() -> str:
    """Return the path of the ffmpeg executable: ``IMAGEIO_FFMPEG_EXE``, else the one that imageio-ffmpeg installs.

    Raises:
        NotCapableError: ``no-ffmpeg``.
    """
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise NotCapableError("no-ffmpeg", "ffmpeg was not found", hint=_INSTALL_FFMPEG) from error


def decode_video_args(video: VideoInfo, start: int = 0, count: int | None = None) -> list[str]:
    """Build the arguments that write ``count`` frames from frame ``start`` on to stdout, as raw yuv420p."""
    seek = _seek_args(video, start) if video.demuxer in SEEKABLE else []
    if video.is_still:
        count = 1
    limit = [] if count is None else ["-frames:v", str(count)]
    return [
        *_COMMON, "-noautorotate", *seek, *_input_args(video.path, video.demuxer),
        # The first video stream that is not cover art.
        "-map", "0:V:0", "-filter:v", ",".join(_frame_filters(video, start)), *limit,
        "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1",
    ]  # fmt: skip


def decode_audio_args(audio: AudioInfo, rate: int) -> list[str]:
    """Build the arguments that write the first audio stream to stdout, as mono float samples."""
    return [*_COMMON, *_mono_args(audio, rate), "-f", "f32le", "-c:a", "pcm_f32le", "pipe:1"]


def encode_args(
    video: VideoInfo,
    audio: AudioInfo,
    output: Path,
    *,
    seconds: float,
    codec: list[str],
    copy_audio: bool,
    metadata: Mapping[str, str],
) -> list[str]:
    """Build the arguments that encode raw yuv420p frames from stdin, and mux them with the audio into an MP4.

    Audio that is encoded is cut after ``seconds``; audio that is copied is copied as a whole.
    """
    return [
        *_COMMON, "-y", "-copyts", "-f", "rawvideo", "-pix_fmt", "yuv420p",
        "-video_size", f"{video.width}x{video.height}", "-framerate", _ratio(video.fps), "-i", "pipe:0",
        *_input_args(audio.path, audio.demuxer, start=audio.start), "-map", "0:v:0",
        "-filter:v", ",".join(_tag_filters(video)), *codec, "-pix_fmt", "yuv420p",
        *_mp4_args(output, audio, seconds=seconds, copy_audio=copy_audio, metadata=metadata),
    ]  # fmt: skip


def mux_args(
    video: VideoInfo, audio: AudioInfo, output: Path, *, seconds: float, copy_audio: bool, metadata: Mapping[str, str]
) -> list[str]:
    """Build the arguments that mux an encoded video stream, which is copied, with the audio into an MP4."""
    return [
        *_COMMON, "-y", "-copyts", *_input_args(video.path, video.demuxer, start=video.start),
        *_input_args(audio.path, audio.demuxer, start=audio.start), "-map", "0:V:0", "-c:v", "copy",
        *_mp4_args(output, audio, seconds=seconds, copy_audio=copy_audio, metadata=metadata),
    ]  # fmt: skip


def stage_audio_args(audio: AudioInfo, output: Path, rate: int) -> list[str]:
    """Build the arguments that convert the first audio stream to a WAV file of 16-bit mono samples."""
    return [
        *_COMMON, "-y", *_mono_args(audio, rate), "-map_metadata", "-1", "-c:a", "pcm_s16le", "-f", "wav",
        f"file:{output}",
    ]  # fmt: skip


def stage_video_args(video: VideoInfo, output: Path, *, count: int, hold: bool) -> list[str]:
    """Build the arguments that convert the first ``count`` frames, upright and at the rate ``video.fps``, to an MP4.

    With ``hold`` the last frame is repeated until there are ``count``.
    """
    filters = ["setpts=PTS-STARTPTS", *_frame_filters(video, 0)]
    if video.is_still:
        filters.append(f"fps={_ratio(video.fps)}")
    if hold:
        filters.append("tpad=stop=-1:stop_mode=clone")
    filters += _tag_filters(video)
    return [
        *_COMMON, "-y", "-noautorotate", "-display_rotation", "0", *_input_args(video.path, video.demuxer),
        "-map", "0:V:0", "-map_metadata", "-1",
        "-filter:v", ",".join(filters), "-frames:v", str(count), *encoder_args("libx264", 12, "veryfast", 0),
        "-pix_fmt", "yuv420p", "-fps_mode", "passthrough", "-f", "mp4", f"file:{output}",
    ]  # fmt: skip


def encoder_args(encoder: str, crf: int, preset: str, threads: int) -> list[str]:
    """Build the arguments of a video encoder; NVENC has presets of its own, and uses ``crf`` as its CQ."""
    if encoder == "h264_nvenc":
        return ["-c:v", encoder, "-preset", "p4", "-rc", "vbr", "-cq", str(crf), "-b:v", "0"]
    return ["-c:v", encoder, "-preset", preset, "-crf", str(crf), "-threads", str(threads)]


def encoder_test_args(encoder: str, width: int, height: int) -> list[str]:
    """Build the arguments that encode a few frames of this size and discard them."""
    source = f"color=size={width}x{height}:rate=25:duration=0.2,format=yuv420p"
    return [*_COMMON, "-f", "lavfi", "-i", source, "-c:v", encoder, "-f", "null", "-"]


def _input_args(path: Path, demuxer: str, *, start: Fraction | None = None) -> list[str]:
    """Build the arguments of an input file; with ``start`` its timestamps are shifted so that this one becomes 0."""
    shift = [] if start is None else ["-itsoffset", f"{-float(start):.6f}"]
    container = ["-f", demuxer] if demuxer else []
    return [*shift, *container, "-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]


def _mono_args(audio: AudioInfo, rate: int) -> list[str]:
    filters = f"{_FILL_GAPS},aresample={rate}"
    return [*_input_args(audio.path, audio.demuxer), "-map", "0:a:0", "-filter:a", filters, "-ac", "1"]


def _mp4_args(
    output: Path, audio: AudioInfo, *, seconds: float, copy_audio: bool, metadata: Mapping[str, str]
) -> list[str]:
    tags = [part for key, value in metadata.items() for part in ("-metadata", f"{key}={value}")]
    return [
        "-map", "1:a:0", *(["-c:a", "copy"] if copy_audio else _aac_args(audio, seconds)),
        "-map_metadata", "-1", "-map_chapters", "-1", *tags, "-movflags", "+faststart", "-f", "mp4", f"file:{output}",
    ]  # fmt: skip


def _seek_args(video: VideoInfo, start: int) -> list[str]:
    # Frames keep their timestamps, so that frame n is the same wherever decoding starts. The seek point lies a second,
    # and the longest reordering of H.264 and HEVC, before the first frame that is used.
    target = video.start + (start - 20) / video.fps - 1
    seek = ["-seek_timestamp", "1", "-noaccurate_seek", "-ss", f"{float(target):.6f}"] if target > video.start else []
    return ["-copyts", *seek]


def _frame_filters(video: VideoInfo, start: int) -> list[str]:
    filters = []
    if not video.is_still:
        filters.append(f"fps={_ratio(video.fps)}")
    if start:
        absolute = _round_half_away(video.start * video.fps) + start
        filters.append(f"trim=start_pts={absolute}" if video.demuxer in SEEKABLE else f"trim=start_frame={start}")
    if video.has_alpha:
        # Transparent parts become white, as in an image viewer; premultiply alone would make them black.
        filters += ["format=gbrap", "negate", "premultiply=inplace=1", "negate", "format=gbrp"]
    filters += _ORIENTATION_FILTERS[video.orientation]
    filters.append("crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0")
    matrix = ":out_color_matrix=bt709" if video.is_rgb or video.has_alpha else ""
    # The size of a stream may change on the way; that of the decoded frames must not.
    filters.append(f"scale={video.width}:{video.height}:flags=bicubic+accurate_rnd:out_range=tv{matrix}")
    filters.append("format=yuv420p")
    return filters


def _round_half_away(value: Fraction) -> int:
    """Round halves away from zero, as ffmpeg's fps filter does."""
    rounded = int(abs(value) + Fraction(1, 2))
    return rounded if value >= 0 else -rounded


def _tag_filters(video: VideoInfo) -> list[str]:
    color = video.color
    tags = {"color_primaries": color.primaries, "color_trc": color.transfer, "colorspace": color.matrix}
    params = ["range=tv", *(f"{key}={value}" for key, value in tags.items() if value is not None)]
    return [f"setparams={':'.join(params)}", f"setsar={_ratio(video.sample_aspect_ratio)}"]


def _aac_args(audio: AudioInfo, seconds: float) -> list[str]:
    rate = next((rate for rate in _AAC_RATES if rate >= audio.sample_rate), _AAC_RATES[-1])
    channels = audio.channels if 1 <= audio.channels <= _AAC_MAX_CHANNELS else 2
    # Only floating-point samples can be NaN or beyond full scale.
    sanitize = f"{_SANITIZE}," if audio.codec.startswith("pcm_f") else ""
    return [
        "-filter:a", f"{sanitize}{_FILL_GAPS},atrim=end={seconds:.6f}",
        "-c:a", "aac", "-ar", str(rate), "-ac", str(channels), "-b:a", f"{96 * channels}k",
    ]  # fmt: skip


def _ratio(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


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

    def wait(self) -> int:
        """Close stdin, wait until the process has ended and return its exit status."""
        if self.popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.popen.stdin.close()
        status = self.popen.wait()
        self._stderr_reader.join()
        return status

    def error(self, path: Path, action: Literal["reading", "writing"]) -> HeygemError:
        """Wait until the process has ended, and return the error that describes why it failed."""
        status = self.wait()
        text = "\n".join(self._last_messages)
        if "No space left on device" in text or "File too large" in text or "Disk quota exceeded" in text:
            return HeygemError("disk-full", "the disk is full", hint="Free some space and run again", path=path)
        if "Permission denied" in text:
            return HeygemError("no-permission", f"permission denied while {action} it", path=path)
        reason = self._last_messages[-1] if self._last_messages else f"exit status {status}"
        return HeygemError(f"{action}-failed", f"ffmpeg failed while {action} it: {reason}", path=path)


@contextlib.contextmanager
def running(args: list[str], *, stdin: bool = False, stdout: bool = False) -> Iterator[FFmpegProcess]:
    """Run ffmpeg while the block lasts; it is killed if it still runs at the end.

    Ctrl-C in the terminal does not reach it, since it has a session of its own. If this process is killed, the pipes
    break, which ends ffmpeg too.
    """
    popen = _start(args, stdin=stdin, stdout=stdout)
    last_messages: deque[str] = deque(maxlen=20)
    stderr_reader = threading.Thread(target=_keep_last_messages, args=(popen.stderr, last_messages), daemon=True)
    stderr_reader.start()
    for pipe in (popen.stdin, popen.stdout):
        if pipe is not None:
            _enlarge(pipe)
    try:
        yield FFmpegProcess(popen, stderr_reader, last_messages)
    finally:
        _kill(popen, stderr_reader)


def _start(args: list[str], *, stdin: bool, stdout: bool) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [find_ffmpeg(), *args],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            restore_signals=False,  # ffmpeg reports broken pipes and full disks, unless a signal kills it
        )
    except OSError as error:
        message = f"ffmpeg cannot be started ({error.strerror})"
        raise NotCapableError("no-ffmpeg", message, hint=_INSTALL_FFMPEG, path=find_ffmpeg()) from error


def _kill(popen: subprocess.Popen[bytes], stderr_reader: threading.Thread) -> None:
    if popen.poll() is None:
        popen.kill()
    popen.wait()
    stderr_reader.join()
    for pipe in (popen.stdin, popen.stdout, popen.stderr):
        if pipe is not None:
            pipe.close()


def _keep_last_messages(stderr: IO[bytes], messages: deque[str]) -> None:
    with open(stderr.fileno(), "rb", closefd=False) as lines:
        for line in lines:
            text = line[:1000].decode("utf-8", "replace").strip()
            if text:
                messages.append(text)


def _enlarge(pipe: IO[bytes]) -> None:
    try:
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EBUSY, errno.EINVAL}:  # above the limit: a smaller pipe works too
            raise
