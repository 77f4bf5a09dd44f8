"""The containers that an output can have; its name says which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_PCM = {"pcm_s16le", "pcm_s24le", "pcm_s32le"}


@dataclass(frozen=True)
class OutputFormat:
    """A container.

    Attributes:
        muxer: ffmpeg's name of what writes it.
        demuxer: ffmpeg's name of what reads it.
        copied_codecs: Audio that is copied into it, in ffmpeg's names, since players of such files support it.
        options: Further arguments of the muxer.
        stream_options: Those that it needs instead where the file is a stream.
    """

    muxer: str
    demuxer: str
    copied_codecs: frozenset[str]
    options: tuple[str, ...] = ()
    stream_options: tuple[str, ...] = ()

    def can_copy(self, codec: str, sample_rate: int) -> bool:
        """Return whether audio of this codec and sample rate in hertz is copied: MP3 of low rates seldom plays."""
        return codec in self.copied_codecs and (codec != "mp3" or sample_rate >= 16000)


# The index of one fragment with minutes of sound does not fit into the buffer, and cannot be completed in a stream.
_FRAGMENTS = ("-movflags", "delay_moov+default_base_moof", "-frag_duration", "5000000")
# Opus and FLAC are legal in MP4 too, but QuickTime and older players are silent.
_MP4_CODECS = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})

MP4 = OutputFormat("mp4", "mov", _MP4_CODECS, ("-movflags", "+faststart"), _FRAGMENTS)
OUTPUT_FORMATS = {
    ".mp4": MP4,
    # Without the flag a MOV has no place for the description.
    ".mov": OutputFormat("mov", "mov", _MP4_CODECS | _PCM, ("-movflags", "+faststart+use_metadata_tags"), _FRAGMENTS),
    ".mkv": OutputFormat(
        "matroska", "matroska", _MP4_CODECS | _PCM | {"flac", "opus", "vorbis"}, ("-cues_to_front", "1")
    ),
}
"""The containers by the extension of the file name."""


def output_format(path: Path) -> OutputFormat:
    """Return the container of an output whose name was checked."""
    return OUTPUT_FORMATS[path.suffix.lower()]
