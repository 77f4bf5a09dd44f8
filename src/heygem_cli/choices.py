"""The words that options of a render can take; light, so that the command line can offer them."""

from __future__ import annotations

from typing import Literal

LoopMode = Literal["pingpong", "forward", "hold", "none"]
MissingFace = Literal["pass", "hold", "fail"]
Encoder = Literal["auto", "libx264", "h264_nvenc"]
Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"
]
