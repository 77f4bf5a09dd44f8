"""Choose the audio or video stream of a file, as players do."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import av
from av.stream import Disposition

from heygem_cli.errors import InputError, plural
from heygem_cli.media.encryption import encrypted
from heygem_cli.media.mp4_track import check_mp4_track

_Stream = TypeVar("_Stream", av.VideoStream, av.AudioStream)

_ANIMATION_BRANDS = frozenset({"avis", "hevc", "hevx", "msf1"})
_FOR_SOME_VIEWERS = Disposition.visual_impaired | Disposition.hearing_impaired | Disposition.comment


def tracks_of(streams: Sequence[_Stream]) -> list[_Stream]:
    """Return the streams without attached pictures, such as cover art and the still image of an animation."""
    return [
        stream
        for stream in streams
        if not stream.disposition & Disposition.attached_pic and not _is_still_of_animation(stream)
    ]


def _is_still_of_animation(stream: av.VideoStream | av.AudioStream) -> bool:
    """Return whether a stream is what programs show of an animated AVIF or HEIC file that do not play it."""
    is_animation = stream.container.metadata.get("major_brand", "") in _ANIMATION_BRANDS
    return is_animation and stream.duration is None and any(each.duration for each in stream.container.streams.video)


def choose_track(streams: Sequence[_Stream], number: int | None, path: Path) -> _Stream:
    """Return the track with a number, counted from 1, or else the one that players choose: the default, or the first.

    Args:
        streams: All audio or all video streams of a file, with at least one track.
        number: The number; None for the players' choice.
        path: The file, for errors.

    Raises:
        InputError: ``no-such-track``, ``unknown-codec``, ``encrypted-media``, ``segment-only``.
    """
    tracks = tracks_of(streams)
    if number is not None and number > len(tracks):
        kind = tracks[0].type
        tracks_there = "; ".join(f"{index}: {_describe(track)}" for index, track in enumerate(tracks, 1))
        message = f"it has no {kind} track {number}; it has {tracks_there}"
        raise InputError("no-such-track", message, hint=f"Use --{kind}-track with one of these numbers", path=path)
    chosen = min(tracks, key=_rank) if number is None else tracks[number - 1]
    check_mp4_track(path, chosen)
    if "enc_key_id" in chosen.metadata:  # of Matroska and WebM
        raise encrypted(path, chosen.type)
    if not _has_decoder(chosen):
        message = f"the codec of the {chosen.type} is not known"
        raise InputError("unknown-codec", message, hint="Convert it to MP4 or WAV", path=path)
    return chosen


def track_note(streams: Sequence[_Stream], chosen: _Stream, number: int | None) -> tuple[str, ...]:
    """Return what to tell the user where a file has several tracks and none was asked for."""
    tracks = tracks_of(streams)
    if number is not None or len(tracks) == 1:
        return ()
    kind, index = chosen.type, tracks.index(chosen)
    text = f"it has {plural(len(tracks), f'{kind} track')}; the {kind} is track {index + 1} ({_describe(chosen)})"
    return (f"{text}, --{kind}-track chooses another",)


def _rank(stream: av.VideoStream | av.AudioStream) -> tuple[bool, bool, bool]:
    """Return a key by which the stream that players choose is the first."""
    return (
        not _has_decoder(stream) or not _has_parameters(stream),
        not stream.disposition & Disposition.default,
        bool(stream.disposition & _FOR_SOME_VIEWERS),
    )


def _has_decoder(stream: av.VideoStream | av.AudioStream) -> bool:
    return stream.codec_context is not None


def channel_names(context: av.AudioCodecContext) -> list[str]:
    """Return ffmpeg's names of the channels, in their order, such as ``FL`` and ``LFE``."""
    layout = context.layout
    # Never freed: PyAV would free an order of the channels that is the file's own twice, as of eight in AIFF or CAF.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return [channel.name for channel in layout.channels]


def _has_parameters(stream: av.VideoStream | av.AudioStream) -> bool:
    """Return whether the file has data of the stream, from which its parameters were found."""
    context = stream.codec_context
    return bool(context.sample_rate if isinstance(context, av.AudioCodecContext) else context.width)


def _describe(stream: av.VideoStream | av.AudioStream) -> str:
    context = stream.codec_context
    if not _has_decoder(stream):
        size = "unknown codec"
    elif isinstance(context, av.AudioCodecContext):
        size = f"{context.name}, {plural(len(channel_names(context)), 'channel')}"
    else:
        size = f"{context.name}, {context.width}×{context.height}"
    language = stream.metadata.get("language", "")
    words = ("" if language == "und" else language, stream.metadata.get("title", ""), size)
    return ", ".join(word for word in words if word)
