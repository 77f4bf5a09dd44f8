"""Input clips for the benchmarks, made with ffmpeg."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg

from heygem_cli.errors import HeygemError, InputError

EXAMPLES = Path(__file__).parents[1] / "examples"
FACE, AUDIO = EXAMPLES / "face.mp4", EXAMPLES / "audio.wav"
SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
FPS = 25

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg.

    Raises:
        HeygemError: ffmpeg failed.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise HeygemError("ffmpeg-failed", f"ffmpeg failed: {done.stderr.strip()}")


def reverse(clip: Path, output: Path) -> None:
    """Reverse a clip without its sound, nearly losslessly."""
    ffmpeg("-i", clip, "-map", "0:v:0", "-vf", "reverse", "-fps_mode", "passthrough", *X264, "-crf", "10", output)


def make_talking_head(face: Path, output: Path, *, size: tuple[int, int], seconds: float) -> None:
    """Scale a face video to fit ``size`` at :data:`FPS` and play it back and forth for ``seconds``.

    The rest of the frame shows the video enlarged and blurred.
    """
    area = "{}:{}".format(*size)
    fit = (
        f"[0:v:0]fps={FPS},trim=duration=10,split[near][far];"
        f"[far]scale={area}:force_original_aspect_ratio=increase,crop={area},gblur=sigma=20[back];"
        f"[near]scale={area}:force_original_aspect_ratio=decrease:flags=bicubic[front];"
        "[back][front]overlay=(W-w)/2:(H-h)/2,setsar=1,split[there][copy];"
        "[copy]reverse[back_again];[there][back_again]concat"
    )
    period = output.with_name(f"{output.stem}-period.mp4")
    ffmpeg("-i", face, "-filter_complex", fit, *X264, "-crf", "18", period)
    ffmpeg("-stream_loop", "-1", "-i", period, "-t", f"{seconds}", "-c", "copy", output)
    period.unlink()


def repeat_audio(audio: Path, output: Path, *, seconds: float) -> None:
    """Repeat a recording for ``seconds``."""
    ffmpeg("-stream_loop", "-1", "-i", audio, "-t", f"{seconds}", output)


def make_silence(output: Path, *, seconds: float) -> Path:
    """Write digital silence and return its path."""
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", f"{seconds}", output)
    return output


def make_inputs(face: Path, audio: Path, folder: Path, *, size: tuple[int, int], seconds: float) -> tuple[Path, Path]:
    """Make a face video and speech of the same length.

    Raises:
        InputError: A source file does not exist.
    """
    for path in (face, audio):
        if not path.is_file():
            raise InputError("not-found", "no such file", hint="Choose another with --face and --audio", path=path)
    video, voice = folder / "face.mp4", folder / "voice.wav"
    make_talking_head(face, video, size=size, seconds=seconds)
    repeat_audio(audio, voice, seconds=seconds)
    return video, voice


def transcode(face: Path, audio: Path, output: Path) -> None:
    """Decode and encode with the settings of ``heygem render``: the lower limit for any renderer."""
    sound = ("-c:a", "aac", "-b:a", "96k")
    ffmpeg("-i", face, "-i", audio, "-map", "0:v:0", "-map", "1:a:0", *X264, "-crf", "18", *sound, "-shortest", output)
