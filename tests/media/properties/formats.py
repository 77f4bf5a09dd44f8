"""Containers and codecs that people's files have, and what ffmpeg needs to write them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

YUV = ("yuv420p",)


@dataclass(frozen=True)
class VideoCodec:
    """A video codec.

    Attributes:
        args: The encoder and its options: fast, and of high quality.
        pixel_formats: Those that it takes; one that starts with ``yuvj`` has full range by its name.
        tags: Whether it carries the matrix itself; otherwise the container may.
        matrices: The tags of matrices that it may have, None for none; empty: any.
        full_range: Whether it carries that the range is full.
        sizes: The only sizes that it allows, if there are such.
        even: Whether the size of the stored picture must be even.
        crop: The bitstream filter that crops its picture.
        max_rate: The highest frame rate.
        aspect: Whether it, where the container does not, carries any sample aspect ratio.
        holes: Whether frames may be missing in it.
    """

    args: tuple[str, ...]
    pixel_formats: tuple[str, ...] = YUV
    tags: bool = False
    matrices: tuple[str | None, ...] = ()
    full_range: bool = False
    sizes: tuple[tuple[int, int], ...] = ()
    even: bool = False
    crop: str = ""
    max_rate: int = 120
    aspect: bool = True
    holes: bool = True


VIDEO_CODECS = {
    "h264": VideoCodec(
        ("libx264", "-preset", "ultrafast", "-crf", "8", "-threads", "1"),
        ("yuv420p", "yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"),
        tags=True, full_range=True, even=True, crop="h264_metadata",
    ),
    "h264-bframes": VideoCodec(
        ("libx264", "-preset", "veryfast", "-crf", "12", "-bf", "3", "-threads", "1"),
        tags=True, full_range=True, even=True, crop="h264_metadata",
    ),
    "h264rgb": VideoCodec(("libx264rgb", "-preset", "ultrafast", "-crf", "4", "-threads", "1"), ("rgb24",), even=True),
    "hevc": VideoCodec(
        ("libx265", "-preset", "ultrafast", "-crf", "8", "-x265-params", "log-level=none:pools=none:frame-threads=1"),
        ("yuv420p", "yuv420p10le", "yuv422p", "yuv422p10le", "yuv444p", "yuv420p12le"),
        tags=True, full_range=True, even=True, crop="hevc_metadata",
    ),
    "av1": VideoCodec(
        ("libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-crf", "10", "-threads", "1"),
        ("yuv420p",), tags=True, full_range=True,
    ),
    "vp8": VideoCodec(
        ("libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "3M", "-qmin", "2", "-qmax", "12",
         "-threads", "1"),
        matrices=(None,),
    ),
    "vp9": VideoCodec(
        ("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "0", "-crf", "8", "-threads", "1"),
        ("yuv420p", "yuv444p", "yuv420p10le"), tags=True, full_range=True,
    ),
    "mpeg4": VideoCodec(("mpeg4", "-q:v", "2")),
    "mpeg4-bframes": VideoCodec(("mpeg4", "-q:v", "2", "-bf", "2")),
    # The codecs before MPEG-4 cannot store coefficients as large as those of the cells with a finer quantizer.
    "msmpeg4v3": VideoCodec(("msmpeg4", "-q:v", "5")),
    "mpeg1": VideoCodec(("mpeg1video", "-q:v", "2"), max_rate=60, aspect=False),
    "mpeg2": VideoCodec(("mpeg2video", "-q:v", "2", "-bf", "2"), ("yuv420p", "yuv422p"), tags=True, max_rate=60,
                        aspect=False),
    "h263": VideoCodec(("h263", "-q:v", "5"), sizes=((176, 144), (352, 288)), max_rate=30),
    "flv1": VideoCodec(("flv", "-q:v", "5")),
    "wmv2": VideoCodec(("wmv2", "-q:v", "5"), even=True),
    "theora": VideoCodec(("libtheora", "-q:v", "9"), ("yuv420p", "yuv444p")),
    "mjpeg": VideoCodec(("mjpeg", "-q:v", "2"), ("yuvj420p", "yuvj422p", "yuvj444p"), matrices=(None,)),
    "prores": VideoCodec(("prores_ks", "-profile:v", "3"), ("yuv422p10le",), tags=True, even=True),
    "prores4444": VideoCodec(("prores_ks", "-profile:v", "4"), ("yuva444p10le",), tags=True, even=True),
    "dnxhr": VideoCodec(("dnxhd", "-profile:v", "dnxhr_hq"), ("yuv422p",), matrices=("bt709",),
                        sizes=((256, 128), (320, 240))),
    "ffv1": VideoCodec(("ffv1",), ("yuv420p", "yuv422p10le", "yuv444p", "bgr0", "yuva420p", "gbrp")),
    "huffyuv": VideoCodec(("huffyuv",), ("yuv422p", "rgb24", "bgra")),
    "utvideo": VideoCodec(("utvideo",), ("yuv420p", "yuv422p", "gbrp", "gbrap"), even=True),
    "rawvideo": VideoCodec(("rawvideo",), ("uyvy422",)),
    "y4m": VideoCodec(("wrapped_avframe",), ("yuv420p", "yuv422p", "yuv444p")),
    "png": VideoCodec(("png",), ("rgb24", "rgba", "gray", "rgb48be")),
    "qtrle": VideoCodec(("qtrle",), ("rgb24", "argb")),
    "gif": VideoCodec(("gif",), ("pal8",)),
}  # fmt: skip


@dataclass(frozen=True)
class AudioCodec:
    """An audio codec.

    Attributes:
        args: The encoder and its options.
        rates: Sample rates.
        channels: Numbers of channels.
        blur: Seconds by which it may move a click: a speech codec keeps words, not samples, and where a short Vorbis
            stream begins is not clear.
        delay: Samples at ``rate`` that the decoder puts before the sound, where the container does not say so.
    """

    args: tuple[str, ...]
    rates: tuple[int, ...] = (44100, 48000)
    channels: tuple[int, ...] = (1, 2)
    delay: int = 0
    blur: float = 0.0


PCM_RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000)
AUDIO_CODECS = {
    "aac": AudioCodec(("aac", "-b:a", "512k"), (8000, 16000, 22050, 44100, 48000, 96000), (1, 2, 6, 8), delay=1024),
    "mp3": AudioCodec(("libmp3lame", "-b:a", "128k"), (16000, 22050, 24000, 32000, 44100, 48000), delay=1105),
    "mp2": AudioCodec(("mp2", "-b:a", "192k"), (32000, 44100, 48000), delay=481),
    "ac3": AudioCodec(("ac3", "-b:a", "448k"), (32000, 44100, 48000), (1, 2, 6), delay=256),
    "eac3": AudioCodec(("eac3", "-b:a", "448k"), (44100, 48000), (2, 6), delay=256),
    "opus": AudioCodec(("libopus", "-b:a", "128k"), (48000,), (1, 2, 6, 8), delay=312),
    "vorbis": AudioCodec(("libvorbis", "-q:a", "6"), (22050, 44100, 48000), (1, 2, 6), blur=0.006),
    "flac": AudioCodec(("flac",), (8000, 44100, 48000), (1, 2, 6, 8)),
    "alac": AudioCodec(("alac",), (44100, 48000, 96000), (1, 2, 6)),
    "wmav2": AudioCodec(("wmav2", "-b:a", "192k"), delay=-2048),
    "amr_nb": AudioCodec(("libopencore_amrnb", "-b:a", "12.2k"), (8000,), (1,), delay=42, blur=0.002),
    "adpcm_ms": AudioCodec(("adpcm_ms",), (22050, 44100)),
    "adpcm_ima_wav": AudioCodec(("adpcm_ima_wav",), (8000, 44100)),
    "adpcm_ima_qt": AudioCodec(("adpcm_ima_qt",)),
    "wavpack": AudioCodec(("wavpack",), (44100,), (1, 2, 6)),
    "tta": AudioCodec(("tta",), (44100,), (1, 2)),
    **{
        f"pcm_{name}": AudioCodec((f"pcm_{name}",), PCM_RATES, (1, 2, 4, 6, 8))
        for name in ("s16le", "s16be", "s24le", "s24be", "s32le", "f32le", "f64le", "u8", "alaw", "mulaw")
    },
}


@dataclass(frozen=True)
class Container:
    """A container.

    Attributes:
        suffix: Of the file's name.
        video: Names of video codecs; none for a file of sound alone.
        audio: Names of audio codecs; none for a picture without sound.
        args: Options of the muxer.
        aspect: Whether it or its codecs carry the sample aspect ratio.
        orientation: Whether it carries how to turn the picture.
        tags: Whether it carries the colour matrix.
        default: Whether it marks a track as the default one.
        rates: The only frame rates that it allows, if there are such.
        offset: Whether it carries when the sound starts.
        delayed: Audio codecs whose delay it does not carry, so that players play it, too.
        holes: Whether frames may be missing in it.
        max_channels: The largest number of channels.
        sound_rates: The only sample rates that it allows, if there are such.
        whole: Whether the sound must be as long as the picture.
    """

    suffix: str
    video: tuple[str, ...] = ()
    audio: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    aspect: bool = False
    orientation: bool = False
    tags: bool = False
    default: bool = False
    rates: tuple[Fraction, ...] = ()
    offset: bool = False
    delayed: tuple[str, ...] = ()
    holes: bool = False
    max_channels: int = 8
    sound_rates: tuple[int, ...] = ()
    whole: bool = False


_BROADCAST = tuple(map(Fraction, ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60")))

_EXACT_TIMES = ("-movie_timescale", "48000")
"""Else edit lists are rounded to milliseconds."""

CONTAINERS = {
    "mp4": Container(
        "mp4", ("h264", "h264", "h264-bframes", "hevc", "mpeg4", "av1", "vp9", "mjpeg"),
        ("aac", "aac", "mp3", "ac3", "eac3", "alac", "flac", "opus"), _EXACT_TIMES,
        aspect=True, orientation=True, tags=True, default=True, offset=True, holes=True,
    ),
    "mp4-fragmented": Container(
        "mp4", ("h264", "h264-bframes", "hevc"), ("aac", "opus"), ("-movflags", "frag_keyframe+delay_moov"),
        aspect=True, orientation=True, tags=True,
    ),
    "mov": Container(
        "mov", ("h264", "hevc", "prores", "prores4444", "dnxhr", "mjpeg", "qtrle", "png", "rawvideo", "mpeg4"),
        ("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_f32le", "aac", "alac", "mp3", "ac3", "adpcm_ima_qt", "pcm_u8"),
        _EXACT_TIMES,
        aspect=True, orientation=True, tags=True, default=True, offset=True, holes=True,
    ),
    "mkv": Container(
        "mkv",
        ("h264", "h264-bframes", "h264rgb", "hevc", "av1", "vp8", "vp9", "mpeg4", "mpeg2", "mjpeg", "ffv1", "huffyuv",
         "theora", "prores", "utvideo", "png"),
        ("aac", "mp3", "ac3", "opus", "vorbis", "flac", "pcm_s16le", "pcm_f32le", "mp2", "alac", "wavpack"),
        aspect=True, tags=True, default=True, offset=True, holes=True,
    ),
    "webm": Container(
        "webm", ("vp8", "vp9", "av1"), ("opus", "vorbis"), aspect=True, tags=True, default=True, offset=True, holes=True
    ),
    "avi": Container(
        "avi",
        ("mpeg4", "mpeg4-bframes", "msmpeg4v3", "mjpeg", "huffyuv", "ffv1", "rawvideo", "h264", "utvideo", "png"),
        ("mp3", "pcm_s16le", "pcm_u8", "ac3", "mp2", "adpcm_ms", "adpcm_ima_wav"),
        ("-avoid_negative_ts", "disabled"), delayed=("mp3", "ac3", "mp2"), max_channels=6,
    ),
    "ts": Container(
        "ts", ("h264", "h264-bframes", "hevc", "mpeg2"), ("aac", "mp2", "mp3", "ac3", "opus"), ("-f", "mpegts"),
        aspect=True, offset=True, max_channels=6,
    ),
    "m2ts": Container(
        "m2ts", ("h264", "mpeg2"), ("ac3", "aac"), ("-f", "mpegts", "-mpegts_m2ts_mode", "1"),
        aspect=True, offset=True, max_channels=6,
    ),
    "flv": Container(
        "flv", ("h264", "flv1"), ("aac", "mp3"), offset=True, holes=True, max_channels=2, sound_rates=(22050, 44100)
    ),
    "mpg": Container("mpg", ("mpeg1", "mpeg2"), ("mp2", "ac3"), ("-f", "vob"), aspect=True, rates=_BROADCAST),
    "mxf": Container("mxf", ("mpeg2", "dnxhr"), ("pcm_s16le",), rates=_BROADCAST, sound_rates=(48000,), max_channels=2,
                     whole=True),
    "wmv": Container("wmv", ("wmv2", "msmpeg4v3"), ("wmav2",), ("-f", "asf")),
    "3gp": Container("3gp", ("h263", "h264", "mpeg4"), ("aac", "amr_nb"), _EXACT_TIMES, aspect=True, orientation=True,
                     offset=True),
    "ogv": Container("ogv", ("theora",), ("vorbis", "opus", "flac"), aspect=True),
    "gif": Container("gif", ("gif",), rates=tuple(Fraction(100, n) for n in (10, 5, 4, 3, 2))),
    "y4m": Container("y4m", ("y4m",)),
}  # fmt: skip

SOUND_FILES = {
    "wav": Container(
        "wav", (), ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_u8", "pcm_alaw", "pcm_mulaw",
                    "adpcm_ms", "adpcm_ima_wav", "mp3"),
        delayed=("mp3",), max_channels=16,
    ),
    "mp3": Container("mp3", (), ("mp3",)),
    "m4a": Container("m4a", (), ("aac", "alac"), ("-f", "ipod")),
    "flac": Container("flac", (), ("flac",)),
    "ogg": Container("ogg", (), ("vorbis", "opus", "flac")),
    "opus": Container("opus", (), ("opus",)),
    "aac": Container("aac", (), ("aac",), ("-f", "adts"), delayed=("aac",), max_channels=6),
    "ac3": Container("ac3", (), ("ac3",), delayed=("ac3",)),
    "wma": Container("wma", (), ("wmav2",), ("-f", "asf"), delayed=("wmav2",)),
    "aiff": Container("aiff", (), ("pcm_s16be", "pcm_s24be"), max_channels=6),
    "caf": Container("caf", (), ("pcm_s16le", "pcm_f32le"), max_channels=6),
    "mka": Container("mka", (), ("aac", "flac", "opus", "vorbis", "pcm_s16le"), ("-f", "matroska")),
    "amr": Container("amr", (), ("amr_nb",), delayed=("amr_nb",)),
    "au": Container("au", (), ("pcm_s16be", "pcm_mulaw")),
    "w64": Container("w64", (), ("pcm_s16le", "pcm_f32le"), max_channels=6),
    "mp2": Container("mp2", (), ("mp2",), delayed=("mp2",)),
    "tta": Container("tta", (), ("tta",)),
    "wv": Container("wv", (), ("wavpack",)),
}  # fmt: skip


@dataclass(frozen=True)
class Still:
    """A format of still images, which Pillow writes.

    Attributes:
        modes: Pillow's names of pixel formats.
        options: Options of Pillow's by a name of our own.
        orientation: Whether it carries how to turn the picture.
    """

    modes: tuple[str, ...]
    options: dict[str, dict[str, object]]
    orientation: bool = False


STILLS = {
    "jpg": Still(
        ("RGB", "RGB", "L", "CMYK"),
        {
            "baseline": {"quality": 95},
            "progressive": {"quality": 95, "progressive": True},
            "full chroma": {"quality": 95, "subsampling": 0},
        },
        orientation=True,
    ),
    "png": Still(("RGB", "RGBA", "L", "P"), {"plain": {}}, orientation=True),
    "webp": Still(
        ("RGB", "RGBA"),
        {"lossy": {"quality": 95}, "lossless": {"lossless": True}, "exact": {"lossless": True, "exact": True}},
        orientation=True,
    ),
    "bmp": Still(("RGB", "L", "P"), {"plain": {}}),
    "tif": Still(("RGB", "L"), {"plain": {}, "LZW": {"compression": "tiff_lzw"}}, orientation=True),
    "avif": Still(("RGB", "RGBA"), {"plain": {"quality": 95}}, orientation=True),
}
