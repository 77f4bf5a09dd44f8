"""A real face: a public-domain portrait that is part of the package."""

import subprocess
import wave
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from heygem_cli.doctor.sample import PORTRAIT
from heygem_cli.face.geometry import mouth_opening
from heygem_cli.face.region import face_region
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.media.ffmpeg import find_ffmpeg
from heygem_cli.runtime import Settings

EXAMPLE_VOICE = Path(__file__).parents[1] / "examples" / "audio.wav"


@cache
def face_tracker() -> FaceTracker:
    """Return a tracker, which tests share because it takes a while to load."""
    return FaceTracker("cpu", Settings())


@cache
def portrait() -> np.ndarray:
    """Return the portrait of Grace Hopper (US Navy), BGR (600, 512, 3), with a closed mouth."""
    return cv2.imread(str(PORTRAIT), cv2.IMREAD_COLOR)


@cache
def other_portrait() -> np.ndarray:
    """Return the portrait with another face: smooth, without glasses, with thick brows and lines."""
    picture = portrait()
    points = track_frame(i420(picture))[:, :2]
    face = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(points[:468].astype(np.int32)), 255)
    for kept in ((33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380), (61, 0, 291, 17)):
        cv2.fillConvexPoly(face, cv2.convexHull(points[list(kept)].astype(np.int32)), 0)
    share = cv2.GaussianBlur(face, (0, 0), 3)[..., None] / 255
    other = (share * cv2.medianBlur(picture, 35) + (1 - share) * picture).astype(np.uint8)
    for brow in ((70, 63, 105, 66, 107), (300, 293, 334, 296, 336)):
        cv2.polylines(other, [np.int32(points[list(brow)] + [0, 4])], False, (25, 30, 40), 11, cv2.LINE_AA)
    for ends in ((6, 4), (50, 205), (280, 425), (109, 338)):
        cv2.line(other, *(tuple(map(int, points[end])) for end in ends), (60, 80, 120), 5, cv2.LINE_AA)
    return cv2.GaussianBlur(other, (0, 0), 0.8)


def scene(width: int, height: int, *faces: tuple) -> np.ndarray:
    """Return a grey BGR image with a portrait for each (x, y, height): its centre and height in pixels.

    A fourth value is the portrait, if it is another one.
    """
    image = np.full((height, width, 3), 90, np.uint8)
    for x, y, face_height, *other in faces:
        picture = other[0] if other else portrait()
        scale = face_height / picture.shape[0]
        matrix = np.float32([[scale, 0, x - 256 * scale], [0, scale, y - 300 * scale]])
        cv2.warpAffine(
            picture, matrix, (width, height), dst=image, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT
        )
    return image


def i420(image: np.ndarray) -> np.ndarray:
    """Convert a BGR image to a frame."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)


def track_frame(frame: np.ndarray) -> np.ndarray | None:
    """Return the landmarks that the tracker finds in one frame."""
    return next(iter(face_tracker().track([frame])))


def measured_opening(frame: np.ndarray) -> float:
    """Return the opening of the mouth in a frame, the mean of several measurements of it: a single one is noisy."""
    around = face_region(track_frame(frame))
    sides = (around.side * scale for scale in (0.9, 0.95, 1, 1.05, 1.1))
    measured = [face_tracker().landmarks(frame, replace(around, side=side)) for side in sides]
    return float(np.mean([mouth_opening(landmarks) for landmarks in measured]))


def make_face_video(path: Path, images: list[np.ndarray], rate: int = 25) -> Path:
    """Encode BGR images as an H.264 video."""
    height, width = images[0].shape[:2]
    args = [find_ffmpeg(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}"]
    args += ["-r", str(rate), "-i", "-", "-c:v", "libx264", "-preset", "veryfast", "-crf", "15"]
    args += ["-pix_fmt", "yuv420p", f"file:{path}"]
    subprocess.run(args, input=b"".join(image.tobytes() for image in images), check=True)
    return path


def make_voice(path: Path, seconds: float = 1.0) -> Path:
    """Write speech of any length: the first words of the example, repeated."""
    with wave.open(str(EXAMPLE_VOICE), "rb") as file:
        rate = file.getframerate()
        file.setpos(int(0.4 * rate))
        words = file.readframes(int(1.2 * rate))
    needed = 2 * int(seconds * rate)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", "NONE"))
        file.writeframes((words * (needed // len(words) + 1))[:needed])
    return path


def make_silence(path: Path, seconds: float = 1.0) -> Path:
    """Write digital silence."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", "NONE"))
        file.writeframes(bytes(2 * int(16000 * seconds)))
    return path
