"""Make ``audio.wav`` and ``face.mp4``: ``python examples/make_examples.py [FOLDER]``.

Requires, in addition to heygem, a speech synthesizer whose wheel contains its voice, and SciPy for that::

    pip install scipy
    pip install --no-deps hibari-tts==0.2.1

``--no-deps`` prevents ``onnxruntime`` from overwriting ``onnxruntime-gpu``, which works as well.

The face is the photograph that ``heygem doctor`` renders, animated like a person sitting still: the head turns as a
height map in front of a static background, the shoulders move with the breath, the eyes blink, and the mouth stays
closed. The same versions of the libraries produce the same files.
"""

from __future__ import annotations

import hashlib
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from heygem_cli.doctor.sample import PORTRAIT
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.runtime import Settings

Floats: TypeAlias = npt.NDArray[np.float32]
Pixels: TypeAlias = npt.NDArray[np.uint8]

SENTENCES = (
    "I began as a photograph.",
    "Now [heygem](/hˈAʤˌɛm/) moves my lips to match this voice, on a plain computer.",
)
RATE = 24_000
PAUSE = 0.1
"""Seconds of silence added before, between and after the sentences."""
LOUDNESS = -20.0
"""RMS level of the whole file in dBFS."""

PORTRAIT_SHA256 = "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130"
SCALE = 1.5
"""Pixels of the video per pixel of the photograph."""
LEFT, TOP, SIZE = 24, 3, 720
"""Crop of the enlarged photograph."""
FPS, FRAMES = 25, 200
BLINKS = (1.5, 4.4, 6.6)
"""Start of each blink in seconds."""
LID_POSITIONS = (0.0, 0.35, 0.8, 1.0, 0.95, 0.75, 0.45, 0.2, 0.06)
"""Position of the lid in the frames of a blink, 0 open, 1 closed; it opens more slowly than it closes."""
NECK = (265.0, 345.0)
"""Pivot of the head in the photograph."""
COLLAR = (318.0, 390.0)
"""Rows of the photograph between which the motion of the head fades into that of the shoulders."""
FLAG, FLAG_END = (25, 48, 146, 190), 219
"""Top, bottom, left and right of a piece of flag and rope beside the hat, and the row down to which both continue."""
EARS = (234, 454)
UPPER_LIDS = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (362, 398, 384, 385, 386, 387, 388, 466, 263))
LOWER_LIDS = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (362, 382, 381, 380, 374, 373, 390, 249, 263))

# Outline of the person in the photograph, traced by hand: segmentation confuses the black hat with the dark blue flag.
# fmt: off
OUTLINE = (
    (12, 600), (16, 560), (18, 530), (23, 490), (26, 460), (28, 440), (31, 428), (37, 411), (42, 396), (48, 385),
    (55, 380), (62, 379), (72, 371), (85, 367), (100, 363), (118, 361), (130, 355), (145, 350), (165, 344), (180, 336),
    (187, 328), (195, 319), (203, 311), (201, 300), (193, 297), (180, 290), (170, 284), (165, 278), (161, 270),
    (158, 255), (157, 245), (159, 232), (158, 226), (155, 219), (153, 210), (152, 200), (154, 193), (155, 185),
    (150, 181), (149, 170), (149, 140), (150, 122), (153, 112), (156, 105), (160, 97), (165, 91), (173, 86), (175, 76),
    (178, 67), (184, 58), (192, 50), (202, 44), (210, 41), (219, 40), (220, 34), (226, 29), (235, 25), (245, 23),
    (256, 22), (268, 23), (280, 27), (290, 32), (297, 38), (301, 40), (312, 43), (325, 48), (336, 56), (345, 66),
    (351, 78), (354, 85), (361, 85), (366, 90), (369, 99), (370, 110), (372, 130), (372, 150), (371, 165), (370, 182),
    (373, 184), (376, 190), (377, 200), (376, 205), (373, 217), (371, 228), (368, 240), (365, 255), (362, 265),
    (361, 274), (358, 284), (353, 294), (346, 302), (338, 307), (331, 307), (330, 311), (333, 317), (340, 322),
    (345, 325), (350, 331), (362, 340), (372, 343), (388, 350), (410, 360), (422, 366), (440, 370), (450, 372),
    (460, 375), (470, 380), (483, 388), (489, 389), (494, 394), (498, 403), (502, 420), (506, 431), (512, 448),
    (512, 600),
)
# fmt: on


# --- Voice ---------------------------------------------------------------------------------------------------


def speak() -> Floats:
    """Synthesize the sentences: float32 (samples,) at :data:`RATE`."""
    from hibari import Hibari  # noqa: PLC0415 - not needed by the rest of the script

    voice = Hibari()
    silence = np.zeros(round(PAUSE * RATE), np.float32)
    parts: list[Floats] = [silence]
    for sentence in SENTENCES:
        parts += [voice(sentence, seed=0), silence]
    return np.concatenate(parts)


def normalise(sound: Floats) -> Floats:
    """Scale the sound to :data:`LOUDNESS`.

    Raises:
        ValueError: The peaks would clip.
    """
    normalised = np.asarray(sound * (10 ** (LOUDNESS / 20) / np.sqrt(np.mean(sound**2))), np.float32)
    if np.abs(normalised).max() >= 1:
        raise ValueError(f"at {LOUDNESS} dBFS the peaks clip; lower LOUDNESS")
    return normalised


def write_wav(path: Path, sound: Floats) -> None:
    """Write mono 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32767).round().astype("<i2").tobytes())


# --- Picture -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Eye:
    """The closed lid of one eye, in a box of the picture at ``top`` and ``left``."""

    top: int
    left: int
    closed: Floats
    """The skin of the closed lid (h, w, 3)."""
    upper: Floats
    """Row of the lid's edge when open (w,)."""
    lower: Floats
    """Row of the lid's edge when closed (w,)."""
    mask: Floats
    """1 where the lid can be, with a soft edge (h, w)."""


@dataclass(frozen=True)
class Portrait:
    """The enlarged photograph, separated into layers of the same size."""

    person: Pixels
    background: Pixels
    """The photograph with the person removed by inpainting (h, w, 3)."""
    matte: Floats
    """1 where the person is (h, w)."""
    height: Floats
    """Height of each point of the head above the plane of the ears, in pixels (h, w)."""
    head: Floats
    """1 where a point moves with the head, 0 with the shoulders (h, w)."""
    eyes: tuple[Eye, ...]


def load_photograph() -> Pixels:
    """Read the photograph and remove the JPEG artefacts on the skin.

    Raises:
        ValueError: The package contains another picture than the one that was traced.
    """
    data = PORTRAIT.read_bytes()
    if hashlib.sha256(data).hexdigest() != PORTRAIT_SHA256:
        raise ValueError(f"{PORTRAIT} is not the picture that the outline was traced from")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.bilateralFilter(picture, 5, 18, 1.5), np.uint8)


def enlarge(picture: Pixels) -> Pixels:
    """Enlarge by :data:`SCALE`."""
    return np.asarray(cv2.resize(picture, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LANCZOS4), np.uint8)


def draw_matte(shape: tuple[int, int], scale: float, *, grow: int = 0) -> Pixels:
    """Fill the outline at ``scale``, dilated by ``grow`` pixels; 255 inside."""
    points = np.round(np.array(OUTLINE) * scale * 16).astype(np.int32)
    matte = np.zeros(shape, np.uint8)
    cv2.fillPoly(matte, [points], (255,), cv2.LINE_AA, shift=4)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
    return np.asarray(cv2.dilate(matte, kernel), np.uint8)


def remove_person(photograph: Pixels) -> Pixels:
    """Inpaint the person; only the area near the outline is ever visible."""
    hidden = draw_matte((photograph.shape[0], photograph.shape[1]), 1, grow=2)
    picture = photograph.copy()
    # Continue flag and rope behind the hat; inpainting would smear the rope sideways.
    top, bottom, left, right = FLAG
    for row in range(bottom, FLAG_END):
        behind = np.flatnonzero(hidden[row, left:right]) + left
        picture[row, behind] = photograph[top + (row - top) % (bottom - top), behind]
        hidden[row, behind] = 0
    return np.asarray(cv2.inpaint(picture, hidden, 4, cv2.INPAINT_TELEA), np.uint8)


def find_landmarks(picture: Pixels) -> Floats:
    """Return the landmarks of the face (478, 3) in pixels; z points away from the viewer.

    Raises:
        ValueError: The tracker finds no face.
    """
    frame = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
    landmarks = next(FaceTracker("cpu", Settings()).track([frame]))
    if landmarks is None:
        raise ValueError(f"{PORTRAIT}: no face was found")
    return landmarks


def head_height(landmarks: Floats, shape: tuple[int, int]) -> Floats:
    """Interpolate the heights of the landmarks by inverse distance weighting."""
    step, softness = 12, 18.0
    rows, columns = np.mgrid[0 : shape[0] : step, 0 : shape[1] : step].astype(np.float32) + step / 2
    squared = (columns[..., None] - landmarks[:, 0]) ** 2 + (rows[..., None] - landmarks[:, 1]) ** 2
    weights = 1 / (squared + softness**2) ** 2
    heights = landmarks[list(EARS), 2].mean() - landmarks[:, 2]
    coarse = (weights * heights).sum(-1) / weights.sum(-1)
    return np.asarray(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def smoothstep(x: Floats) -> Floats:
    """Rise smoothly from 0 at 0 to 1 at 1."""
    inside = np.clip(x, 0, 1)
    return np.asarray(inside * inside * (3 - 2 * inside), np.float32)


def prepare_eye(picture: Pixels, upper: Floats, lower: Floats) -> Eye:
    """Paint the closed lid of one eye from the skin around it.

    Args:
        picture: The enlarged photograph.
        upper: Landmarks of the upper lid (n, 2), left to right, in pixels.
        lower: Landmarks of the lower lid.
    """
    opening = float((lower[:, 1] - upper[:, 1]).max())
    left, right = int(upper[0, 0]) - 8, int(upper[-1, 0]) + 8
    top, bottom = int(upper[:, 1].min() - opening), int(lower[:, 1].max() + opening)
    columns = np.arange(left, right, dtype=np.float32)
    rows = np.arange(bottom - top, dtype=np.float32)[:, None]
    to_corner = np.minimum(columns - upper[0, 0], upper[-1, 0] - columns)
    # The mesh underestimates the eye: lashes and the shadow under them lie outside its lines.
    slack = opening * smoothstep(to_corner / 12)
    over = np.asarray(np.interp(columns, *upper.T) - 0.25 * slack - top, np.float32)
    under = np.asarray(np.interp(columns, *lower.T) + 0.12 * slack - top, np.float32)
    hole = ((rows > over) & (rows < under)).astype(np.uint8)
    box = np.ascontiguousarray(picture[top:bottom, left:right])
    skin = cv2.GaussianBlur(cv2.inpaint(box, hole, 4, cv2.INPAINT_TELEA), (0, 0), 2.0).astype(np.float32)
    # The lid bulges over the eye; its wrinkles are copied from below the eye.
    down = round(1.6 * opening)
    below = picture[top + down : bottom + down, left:right].astype(np.float32)
    bulge = np.sin(np.pi * np.clip((rows - over) / np.maximum(under - over, 1), 0, 1)) * smoothstep(to_corner / 20)
    skin += 0.7 * (below - cv2.GaussianBlur(below, (0, 0), 4)) + 34 * bulge[..., None]
    mask = np.asarray(cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 1.5), np.float32)
    return Eye(top, left, skin, over, under, mask)


def separate_layers(photograph: Pixels) -> Portrait:
    """Separate the person from the background and estimate the shape of the head."""
    person = enlarge(photograph)
    shape = (person.shape[0], person.shape[1])
    matte = cv2.GaussianBlur(draw_matte(shape, SCALE, grow=1).astype(np.float32) / 255, (0, 0), 1.3)
    landmarks = find_landmarks(person)
    rows = np.arange(shape[0], dtype=np.float32)[:, None] / SCALE
    head = 1 - smoothstep((rows - COLLAR[0]) / (COLLAR[1] - COLLAR[0]))
    return Portrait(
        person=person,
        background=enlarge(remove_person(photograph)),
        matte=np.asarray(matte, np.float32),
        height=head_height(landmarks, shape),
        head=np.ascontiguousarray(np.broadcast_to(head, shape)),
        eyes=tuple(
            prepare_eye(person, landmarks[list(upper), :2], landmarks[list(lower), :2])
            for upper, lower in zip(UPPER_LIDS, LOWER_LIDS, strict=True)
        ),
    )


# --- Motion --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pose:
    """Pose of head and shoulders in one frame: angles in radians, the rest in pixels of the video."""

    yaw: float
    pitch: float
    roll: float
    shift: tuple[float, float]
    breath: float
    lid: float
    """0 open, 1 closed."""


def random_motion(rng: np.random.Generator, amplitude: float) -> Floats:
    """Return smooth random motion (frames,), mostly below 0.5 Hz, with a standard deviation of ``amplitude``."""
    seconds = np.arange(FRAMES) / FPS
    waves = rng.uniform((0.08, 0.0), (0.55, 2 * np.pi), (7, 2))
    motion = sum(np.sin(2 * np.pi * hertz * seconds + phase) / (hertz + 0.15) for hertz, phase in waves)
    return np.asarray(amplitude * (motion - np.mean(motion)) / np.std(motion), np.float32)


def lid_track() -> Floats:
    """Return the position of the lids in every frame (frames,), 0 open, 1 closed."""
    track = np.zeros(FRAMES, np.float32)
    for start in BLINKS:
        first = round(start * FPS)
        track[first : first + len(LID_POSITIONS)] = LID_POSITIONS
    return track


def make_poses() -> list[Pose]:
    """Return the pose of each frame; the random motion is reproducible."""
    rng = np.random.default_rng(1906)
    yaw, pitch, roll = (random_motion(rng, np.radians(degrees)) for degrees in (1.4, 1.0, 0.7))
    across, down = random_motion(rng, 1.6), random_motion(rng, 0.8)
    breath = np.sin(2 * np.pi * 0.27 * np.arange(FRAMES) / FPS)
    return [
        Pose(float(yaw[i]), float(pitch[i]), float(roll[i]), (float(across[i]), float(down[i])), float(breath[i]), lid)
        for i, lid in enumerate(lid_track().tolist())
    ]


def rotation(pose: Pose) -> Floats:
    """Return the rotation matrix (3, 3) of the head: yaw, then pitch, then roll."""
    (cy, cp, cr), (sy, sp, sr) = (f([pose.yaw, pose.pitch, pose.roll]) for f in (np.cos, np.sin))
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(roll @ pitch @ yaw, np.float32)


def displacement(portrait: Portrait, pose: Pose, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the displacement in pixels of the points (x, y) of the enlarged photograph."""
    height = cv2.remap(portrait.height, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    head = cv2.remap(portrait.head, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    from_neck = (x - NECK[0] * SCALE, y - NECK[1] * SCALE)
    turn = rotation(pose) - np.eye(3, dtype=np.float32)
    dx, dy = (row[0] * from_neck[0] + row[1] * from_neck[1] + row[2] * height for row in turn[:2])
    sway = 0.3 + 0.7 * head
    return head * dx + sway * pose.shift[0], head * dy + head * pose.shift[1] - 0.8 * pose.breath


def close_eyes(portrait: Portrait, lid: float) -> Pixels:
    """Return the photograph with the lids at position ``lid``."""
    picture = portrait.person.copy()
    for eye in portrait.eyes:
        rows = np.arange(eye.mask.shape[0], dtype=np.float32)[:, None]
        edge = eye.upper + 0.9 * lid * (eye.lower - eye.upper)
        covered = eye.mask * smoothstep((edge - rows) / 2 + 0.5)
        lashes = 0.55 * min(1.0, 2 * lid) * eye.mask * np.exp(-(((rows - edge) / 1.2) ** 2))
        box = np.s_[eye.top : eye.top + eye.mask.shape[0], eye.left : eye.left + eye.mask.shape[1]]
        blend = picture[box] + covered[..., None] * (eye.closed - picture[box])
        blend += lashes[..., None] * (0.35 * eye.closed - blend)
        picture[box] = blend.round().clip(0, 255).astype(np.uint8)
    return picture


def render_frame(portrait: Portrait, pose: Pose) -> Pixels:
    """Render one frame (SIZE, SIZE, 3)."""
    y, x = np.mgrid[TOP : TOP + SIZE, LEFT : LEFT + SIZE].astype(np.float32)
    from_x, from_y = x, y
    for _ in range(3):  # invert the displacement by fixed-point iteration, which converges to 0.05 pixels
        dx, dy = displacement(portrait, pose, from_x, from_y)
        from_x, from_y = x - dx, y - dy
    picture = close_eyes(portrait, pose.lid) if pose.lid else portrait.person
    person = cv2.remap(picture, from_x, from_y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    matte = cv2.remap(portrait.matte, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[..., None]
    background = portrait.background[TOP : TOP + SIZE, LEFT : LEFT + SIZE]
    return np.asarray(np.round(matte * person + (1 - matte) * background), np.uint8)


def write_video(path: Path, pictures: Iterator[Pixels]) -> None:
    """Encode BGR frames as H.264.

    Raises:
        OSError: ffmpeg failed; the error contains its message.
    """
    # swscale defaults to BT.601. One thread, because the output of x264 depends on their number.
    tags = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    options = ["-vf", f"scale=out_color_matrix=bt709:out_range=tv,{tags}", "-preset", "veryslow", "-crf", "19"]
    options += ["-threads", "1", "-movflags", "+faststart"]
    writer = imageio_ffmpeg.write_frames(
        path, (SIZE, SIZE), pix_fmt_in="bgr24", fps=FPS, codec="libx264", quality=None, output_params=options
    )
    writer.send(None)
    for picture in pictures:
        writer.send(picture.tobytes())
    writer.close()


def main() -> None:
    """Write both files to the folder given as argument, by default next to this script."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    write_wav(folder / "audio.wav", normalise(speak()))
    portrait = separate_layers(load_photograph())
    write_video(folder / "face.mp4", (render_frame(portrait, pose) for pose in make_poses()))


if __name__ == "__main__":
    main()
