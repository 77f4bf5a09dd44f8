"""A real face for the tests: a public-domain portrait that a dependency carries."""

import subprocess
import wave
from functools import cache
from pathlib import Path

import cv2
import matplotlib.cbook
import numpy as np

from heygem_cli.face.select import Person
from heygem_cli.face.tracker import MediaPipeTracker
from heygem_cli.media.ffmpeg import find_ffmpeg

EXAMPLE_VOICE = Path(__file__).parents[1] / "examples" / "audio.wav"


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


def track_one(frame: np.ndarray, choice: Person | None = None) -> np.ndarray | None:
    """Landmarks of one frame by the real tracker."""
    return next(iter(MediaPipeTracker().track([frame], choice or Person())))


def make_face_video(path: Path, pictures: list[np.ndarray], rate: int = 25) -> Path:
    """Encode BGR pictures as an H.264 video."""
    height, width = pictures[0].shape[:2]
    args = [find_ffmpeg(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}"]
    args += ["-r", str(rate), "-i", "-", "-c:v", "libx264", "-preset", "veryfast", "-crf", "15"]
    args += ["-pix_fmt", "yuv420p", f"file:{path}"]
    subprocess.run(args, input=b"".join(picture.tobytes() for picture in pictures), check=True)
    return path


def make_voice(path: Path, seconds: float = 1.0) -> Path:
    """Speech of any length: the example's first words, said again and again."""
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
    """Digital silence."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", "NONE"))
        file.writeframes(bytes(2 * int(16000 * seconds)))
    return path
