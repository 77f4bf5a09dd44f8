"""A picture with four different corners, which shows how it was rotated, mirrored, cropped or scaled."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from media_factory import X264, ffmpeg

COLORS = {
    "W": (255, 255, 255),
    "R": (255, 0, 0),
    "B": (0, 0, 255),
    "G": (0, 255, 0),
    "K": (0, 0, 0),
    "Y": (128, 128, 128),
}
"""Letters of colours, Y is grey."""

ORIENTATIONS = {1: "WRBG", 2: "RWGB", 3: "GBRW", 4: "BGWR", 5: "WBRG", 6: "BWGR", 7: "GRBW", 8: "RGWB"}
"""The corners of the upright picture, row by row, by the EXIF orientation of one that is stored as WRBG."""


def corner_picture(width: int = 160, height: int = 96, corners: str = "WRBG") -> np.ndarray:
    """Return an RGB picture: a quarter for each corner, named row by row."""
    picture = np.empty((height, width, 3), np.uint8)
    for index, name in enumerate(corners):
        rows = slice(height // 2) if index < 2 else slice(height // 2, None)
        columns = slice(width // 2, None) if index % 2 else slice(width // 2)
        picture[rows, columns] = COLORS[name]
    return picture


def make_corner_video(
    path: Path, picture: np.ndarray | None = None, *, frames: int = 5, codec: tuple[str, ...] = X264
) -> Path:
    """Write a video of the picture."""
    source = path.with_name(f"{path.name}.png")
    cv2.imwrite(str(source), cv2.cvtColor(corner_picture() if picture is None else picture, cv2.COLOR_RGB2BGR))
    ffmpeg("-loop", 1, "-i", source, "-frames:v", frames, "-pix_fmt", "yuv420p", *codec, f"file:{path}")
    return path


def color_at(frame: np.ndarray, x: float, y: float) -> str:
    """Return the letter of the colour at a place, 0 to 1, of an I420 frame."""
    rgb = cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420)
    pixel = rgb[int(y * rgb.shape[0]), int(x * rgb.shape[1])].astype(int)
    return min(COLORS, key=lambda name: int(np.abs(pixel - COLORS[name]).sum()))


def corners_of(frame: np.ndarray, margin: float = 0.1) -> str:
    """Return the letters of the corners of an I420 frame, row by row."""
    near, far = margin, 1 - margin
    return "".join(color_at(frame, x, y) for x, y in ((near, near), (far, near), (near, far), (far, far)))
