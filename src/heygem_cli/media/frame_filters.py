"""The filters that turn the decoded frames of any video into upright frames of one size and rate.

The program itself rotates, mirrors and crops a picture as its container says, before these filters see it.
"""

from __future__ import annotations

from fractions import Fraction

from heygem_cli.media.timing import MAX_VIDEO_GAP
from heygem_cli.media.types import VideoInfo

SEEKABLE = frozenset({"mov", "matroska"})
"""Demuxers with a reliable index; files of all others are decoded from the beginning."""

_LUMA_WEIGHTS = {"bt709": (0.2126, 0.0722), "bt2020nc": (0.2627, 0.0593), "bt2020c": (0.2627, 0.0593),
                 "smpte240m": (0.212, 0.087), "fcc": (0.3, 0.11)}  # fmt: skip
"""Weights of red and blue in the luma of a matrix; all others are those of BT.601, as ffmpeg assumes."""

_SCALABLE = frozenset({None, "bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"})
"""Matrices that ffmpeg's scaler accepts; None: not tagged."""


def frame_filters(video: VideoInfo, start: int) -> str:
    """Return the filters that yield the frames of a video from frame ``start`` on."""
    # Only the filters that fit a picture can bear a size that changes.
    filters = [*_fit_filters(video, ":interl=-1")] if video.sizes else []
    if not video.is_rgb and video.color.matrix not in _SCALABLE:
        filters.insert(0, "setparams=colorspace=bt2020nc")  # for ffmpeg only: the pixels do not change
    if is_grey(video.pixel_format) and not video.full_range:
        # ffmpeg takes all grey as full range; so its levels are kept, and then said to be what they are.
        filters += ["scale=in_range=full:out_range=full", f"format={raw_format(video)}", "setparams=range=limited"]
    if not video.is_still:
        filters += _time_filters(video)
    if video.is_interlaced:
        filters.append("bwdif=mode=send_frame:deint=interlaced")
    if video.has_alpha:
        filters.append(_flatten_filter(video))
    if not video.sizes:
        filters.append("crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0")
    filters += _fit_filters(
        video, ":out_range=tv" + (":out_color_matrix=bt709" if video.is_rgb else ""), raw_format(video)
    )
    if not video.is_still:
        # After the conversion: repeated frames then share their memory.
        filters.append(f"fps={_ratio(video.fps)}")
    if start:
        filters.append(f"trim=start_pts={start}" if is_seekable(video) else f"trim=start_frame={start}")
    return ",".join(filters)


def is_grey(pixel_format: str) -> bool:
    """Return whether pixels have a luma, but no chroma or transparency."""
    return pixel_format.startswith("gray")


def raw_format(video: VideoInfo) -> str:
    """Return ffmpeg's name of the pixel format of decoded frames."""
    return "yuv420p10le" if video.bits == 10 else "yuv420p"


def is_seekable(video: VideoInfo) -> bool:
    """Return whether frame n can be found without decoding all frames before it."""
    return video.stream.demuxer in SEEKABLE and video.reliable_times


def _time_filters(video: VideoInfo) -> list[str]:
    if not video.reliable_times:
        return [f"settb={_ratio(1 / video.fps)}", "setpts=N"]
    # A gap that was not found, beyond the packets that are read first, is shortened to one frame.
    step = f"if(gt(PTS-PREV_INPTS\\,{MAX_VIDEO_GAP}/TB)\\,max(1\\,1/({_ratio(video.fps)})/TB)\\,PTS-PREV_INPTS)"
    # The first frame has time 0: of rounded times that start between two frames, some would be moved to the wrong one.
    first = f"round(PTS-({_ratio(video.start)})/TB)" if is_seekable(video) else "0"
    return [f"setpts=if(isnan(PREV_OUTPTS)\\,{first}\\,PREV_OUTPTS+{step})"]


def _fit_filters(video: VideoInfo, options: str, pixel_format: str = "") -> list[str]:
    """Scale to the size of the output, and pad a picture of another shape with black.

    A picture that has this size already is passed on as it is.
    """
    width, height = video.width, video.height
    formats = [f"format={pixel_format}"] if pixel_format else []
    if video.is_still and not video.sizes:  # its shape is that of the output but for an odd row
        return [f"scale={width}:{height}:flags=bicubic+accurate_rnd{options}", *formats]
    pixel_shape = "sar"
    first = video.sizes[0].sample_aspect_ratio if video.sizes else None
    for size in video.sizes:  # ffmpeg gives the shape of the first pictures to all of them
        if size.sample_aspect_ratio == first:  # a window that is resized has hundreds of sizes
            continue
        is_this = f"eq(iw\\,{size.width})*eq(ih\\,{size.height})"
        pixel_shape = f"if({is_this}\\,{_ratio(size.sample_aspect_ratio)}\\,{pixel_shape})"
    shape = f"iw*{pixel_shape}/ih/({_ratio(width * video.sample_aspect_ratio / height)})"
    return [
        f"scale=2*round({width // 2}*min(1\\,{shape})):2*round({height // 2}*min(1\\,1/({shape}))):eval=frame"
        f":flags=bicubic+accurate_rnd{options}",
        *formats,
        f"pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:eval=frame",
    ]


def _flatten_filter(video: VideoInfo) -> str:
    """Lay the picture on one of the colour of the background.

    YUV stays YUV, so opaque parts do not change, whatever their matrix, which the file may not even tell.
    """
    if video.is_rgb:
        red, green, blue = video.background
        start, opaque, flat = "format=gbrap,", "gbrp", "gbrp"
        fill = f"lutrgb=r={red}:g={green}:b={blue}"
    else:
        y, u, v = _yuv(video)
        start, opaque, flat = f"format={video.pixel_format},", video.pixel_format.replace("yuva", "yuv"), "auto"
        # maxval is 235 or 240, or as many times more as the pixels have more than 8 bits.
        fill = f"lutyuv=y={y:.3f}/235*maxval:u={u:.3f}/240*maxval:v={v:.3f}/240*maxval"
    return (
        f"{start}split[picture][copy];[copy]format={opaque},{fill}[background];"
        f"[background][picture]overlay=format={flat}"
    )


def _yuv(video: VideoInfo) -> tuple[float, float, float]:
    """Return the background's luma and chroma, 0 to 255, as the video has them."""
    red, green, blue = (level / 255 for level in video.background)
    red_weight, blue_weight = _LUMA_WEIGHTS.get(video.color.matrix or "", (0.299, 0.114))
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    u, v = (blue - luma) / (1 - blue_weight) / 2, (red - luma) / (1 - red_weight) / 2
    if video.full_range:
        return 255 * luma, 128 + 255 * u, 128 + 255 * v
    return 16 + 219 * luma, 128 + 224 * u, 128 + 224 * v


def _ratio(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"
