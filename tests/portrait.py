"""A real face for the tests: a public-domain portrait that a dependency carries."""

from functools import cache

import cv2
import matplotlib.cbook
import numpy as np

from heygem_cli.face.select import FaceChoice
from heygem_cli.face.tracker import MediaPipeTracker


@cache
def portrait() -> np.ndarray:
    """Grace Hopper (US Navy, public domain), BGR (600, 512, 3), mouth closed."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        return cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)


def scene(width: int, height: int, *faces: tuple[float, float, float]) -> np.ndarray:
    """A grey BGR picture with the portrait once for each (x, y, height) in pixels of its middle and its height."""
    picture = np.full((height, width, 3), 90, np.uint8)
    for x, y, tall in faces:
        scale = tall / portrait().shape[0]
        matrix = np.float32([[scale, 0, x - 256 * scale], [0, scale, y - 300 * scale]])
        cv2.warpAffine(
            portrait(), matrix, (width, height), dst=picture, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT
        )
    return picture


def i420(picture: np.ndarray) -> np.ndarray:
    """A BGR picture as a frame."""
    return cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)


def track_one(frame: np.ndarray, choice: FaceChoice | None = None) -> np.ndarray | None:
    """Landmarks of one frame by the real tracker."""
    return next(iter(MediaPipeTracker().track([frame], choice or FaceChoice())))
