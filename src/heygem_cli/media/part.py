"""Use only a part of an audio or of a video, or a smaller picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from heygem_cli.errors import InputError
from heygem_cli.media.types import AudioInfo, VideoInfo


def cut_audio(audio: AudioInfo, start: float, duration: float | None, frame: float = 0.0) -> AudioInfo:
    """Return the part of an audio from ``start`` seconds on, ``duration`` seconds long (None: to its end).

    Args:
        audio: The whole audio.
        start: In seconds.
        duration: Likewise.
        frame: How long a frame of the video is, in seconds; the part has to be as long, if the whole audio is.

    Raises:
        InputError: ``empty-part``.
    """
    if not start and duration is None:
        return audio
    length = audio.duration - start
    if length <= 0:
        message = f"--start {start:g}: the audio is {audio.duration:.2f} s long"
        raise InputError("empty-part", message, hint="Choose an earlier time", path=audio.path)
    if duration is not None:
        length = min(length, duration)
        silence = max(0, audio.delay - start)
        if duration <= silence or (silence and duration < silence + frame):
            message = f"--duration {duration:g}: the sound begins at {float(audio.delay):.2f} s"
            raise InputError("empty-part", message, hint="Choose a longer or a later part", path=audio.path)
    if length < min(frame, audio.duration):
        problem = f"the part of the audio is shorter than a frame of the video, {frame:.3g} s"
        to_end = duration is None or duration > length
        message = f"--start {start:g}: {problem}" if to_end else f"--duration {duration:g}: {problem}"
        raise InputError("empty-part", message, hint="Choose a longer part", path=audio.path)
    return replace(audio, duration=length, skipped=start, limit=duration, seamless=False)


def cut_audios(
    audios: Sequence[AudioInfo], start: float, duration: float | None, frame: float = 0.0
) -> list[AudioInfo]:
    """Return the part of several audios that begin together, as :func:`cut_audio`; one without sound there is silent.

    Raises:
        InputError: ``empty-part``: none has any.
    """
    parts = []
    for audio in audios:
        try:
            parts.append(cut_audio(audio, start, duration, frame))
        except InputError:
            parts.append(replace(audio, duration=0.0, limit=0))
    if audios and all(part.is_silent for part in parts):
        cut_audio(max(audios, key=lambda audio: audio.duration), start, duration, frame)
    return parts


def cut_video(video: VideoInfo, start: float) -> VideoInfo:
    """Return the part of a video from ``start`` seconds on; a still image is the same at any time.

    Raises:
        InputError: ``empty-part``.
    """
    skipped = round(start * video.fps)
    if not skipped or video.is_still:
        return video
    if skipped >= video.frames:
        seconds = float(video.frames / video.fps)
        message = f"--face-start {start:g}: the video is {seconds:.2f} s long"
        raise InputError("empty-part", message, hint="Choose an earlier time", path=video.path)
    return replace(video, frames=video.frames - skipped, skipped=skipped)


def half_size(video: VideoInfo) -> VideoInfo:
    """Return a video whose frames are decoded at half their size; an image that Pillow decodes keeps its size."""
    if video.is_converted:
        return video
    return replace(video, width=max(2, video.width // 4 * 2), height=max(2, video.height // 4 * 2))
