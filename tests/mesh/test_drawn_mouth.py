from dataclasses import replace

import cv2
import numpy as np
import pytest

from heygem_cli.face.geometry import CHIN, LIPS, canonical_face, head_pose, interocular
from heygem_cli.media.types import planes
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.crop import opening_outline
from heygem_cli.mesh.drawn_mouth import draw_mouth, place_bones
from heygem_cli.mesh.face_light import eye_opening, measure_light
from heygem_cli.mesh.field import MouthFrame
from heygem_cli.mesh.mouth_pictures import MouthPictures
from heygem_cli.mesh.targets import ClosedMouth
from heygem_cli.mesh.teeth import BANK, CHILD, choose_mouth
from mouth_renderer import jaw_motion, make_renderer
from portrait import i420, portrait, track_frame

FRAME = i420(portrait())
LANDMARKS = track_frame(FRAME)
EYES = float(interocular(LANDMARKS[:, :2]))


def opened(landmarks=LANDMARKS, *, raised=0.02, lowered=0.12, shift=0.0):
    """Return the lips of a face, opened by lengths in inter-ocular distances, and moved down as a whole."""
    pose = head_pose(landmarks, canonical_face())
    lips = pose.to_canonical(landmarks[list(LIPS)])
    bow = np.sin(np.linspace(0, np.pi, 11))
    lips[INNER_TOP, 1] -= raised * bow
    lips[INNER_BOTTOM, 1] += lowered * bow
    lips[:, 1] += shift
    return pose.to_image(lips)[:, :2]


def bones(drop, landmarks=LANDMARKS):
    """Return the bones of a face whose jaw is lowered."""
    pose = head_pose(landmarks, canonical_face())
    points = pose.to_canonical(landmarks[[*LIPS, CHIN]])
    closed = ClosedMouth(points, np.float32([pose.yaw, pose.pitch]), np.zeros((2, 41, 3), np.float32))
    motion = np.zeros((41, 3), np.float32)
    motion[40, 1] = drop
    return place_bones(pose, closed, motion, np.float32(1))


def flat_mouth(landmarks=LANDMARKS):
    """Return a mouth whose upper teeth have the luma 235 and the lower ones 16, with a grey throat and no tongue."""
    drawn = draw_mouth(BANK[2], FRAME, landmarks)
    layers = {}
    for name, luma in (("upper", 235), ("lower", 16), ("tongue", 16)):
        image = getattr(drawn, name).image.copy()
        image[..., 0] = luma
        image[..., 3] *= name != "tongue"
        layers[name] = replace(getattr(drawn, name), image=image)
    return replace(drawn, throat=np.float32([90, 128, 128]), **layers)


def edges(lips, bone, landmarks=LANDMARKS):
    """Return where the middle of the upper and of the lower teeth ends in the frame, (2, 2) in pixels."""
    interior = flat_mouth(landmarks).between(lips, EYES, bone)
    mouth = MouthFrame.between(lips[INNER_TOP[0]], lips[INNER_TOP[-1]])
    right = mouth.axis / np.linalg.norm(mouth.axis)
    down = np.array([-right[1], right[0]])
    middle = (right * (lips[INNER_TOP[5]] - mouth.center)).sum() / EYES + 0.03  # the middle of a tooth
    side = len(interior.image)
    column = interior.image[:, round(side / 2 + middle * interior.scale), 0].astype(float)
    steps = cv2.GaussianBlur(np.diff(column)[:, None], (1, 5), 1)[:, 0]
    top = int(side / 2 + interior.top[5] * interior.scale) + 2
    bottom = int(side / 2 + interior.bottom[5] * interior.scale) - 2
    upper = top + int(np.argmin(steps[top:bottom]))
    lower = upper + 4 + int(np.argmin(steps[upper + 4 : bottom]))
    heights = (np.array([upper, lower]) + 0.5 - side / 2) / interior.scale * EYES
    return mouth.center + middle * EYES * right + heights[:, None] * down


def test_upper_teeth_stay_on_the_skull_and_lower_teeth_follow_the_jaw():
    lips = opened(lowered=0.2)
    (upper, lower), (upper_open, lower_open) = (edges(lips, bones(drop)) for drop in (0.04, 0.12))
    assert np.linalg.norm(upper_open - upper) < 0.5
    assert np.linalg.norm(lower_open - lower) == pytest.approx(0.08 * EYES, abs=1.5)


def test_lips_move_over_the_upper_teeth():
    upper = edges(opened(), bones(0.05))[0]
    assert np.linalg.norm(edges(opened(raised=0.05), bones(0.05))[0] - upper) < 1.2
    assert np.linalg.norm(edges(opened(shift=-0.03, lowered=0.15), bones(0.05))[0] - upper) < 1.2


def test_teeth_turn_with_the_head():
    angle = np.radians(25)
    turn = np.float32([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = LANDMARKS[1, :2]
    turned = LANDMARKS.copy()
    turned[:, :2] = (LANDMARKS[:, :2] - middle) @ turn.T + middle
    expected = (edges(opened(), bones(0.05)) - middle) @ turn.T + middle
    found = edges(opened(turned), bones(0.05, turned), turned)
    assert np.linalg.norm(found - expected, axis=1).max() < 2.5


@pytest.mark.parametrize("drop", [0.0, 0.06])
def test_tongue_follows_the_opening_by_less_than_the_jaw(drop):
    drawn = draw_mouth(BANK[0], FRAME, LANDMARKS)
    moved = drawn.mouth.tongue_share * drop
    assert moved <= drop
    without = replace(drawn, tongue=replace(drawn.tongue, image=np.zeros_like(drawn.tongue.image)))
    lips = opened()
    tongue, none = (each.between(lips, EYES, bones(drop)).image for each in (drawn, without))
    first = np.flatnonzero((np.abs(tongue.astype(int) - none) > 4).any((1, 2)))[0] / drawn.tongue.scale
    rest = drawn.between(lips, EYES, bones(0.0)).image
    at_rest = np.flatnonzero(
        (np.abs(rest.astype(int) - without.between(lips, EYES, bones(0.0)).image) > 4).any((1, 2))
    )[0]
    assert first - at_rest / drawn.tongue.scale == pytest.approx(moved, abs=0.02)


def luma_of_teeth(frame):
    """Return the luma of the opaque part of the upper teeth of a mouth that is drawn for the portrait in a frame."""
    image = draw_mouth(BANK[2], frame, LANDMARKS).upper.image
    return image[..., 0][image[..., 3] > 200].astype(float)


def test_teeth_are_as_dark_as_the_face():
    dark = FRAME.copy()
    luma = planes(dark)[0]
    luma[:] = 16 + 0.3 * (luma.astype(float) - 16)
    bright_teeth, dark_teeth = (np.percentile(luma_of_teeth(frame), 95) - 16 for frame in (FRAME, dark))
    assert dark_teeth == pytest.approx(0.3 * bright_teeth, rel=0.1)


@pytest.mark.parametrize("factor", [0.2, 0.6, 1.0])
def test_teeth_are_no_brighter_than_the_brightest_of_the_face(factor):
    frame = FRAME.copy()
    luma = planes(frame)[0]
    luma[:] = 16 + factor * (luma.astype(float) - 16)
    hull = np.zeros(luma.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(LANDMARKS[:468, :2].astype(np.int32)), 1)
    light = measure_light(frame, LANDMARKS)
    assert 0 < light.white <= np.percentile(luma[hull > 0], 99) - 16
    assert np.percentile(luma_of_teeth(frame), 99) <= 17 + 1.1 * light.white


@pytest.mark.parametrize("brighter", [-1, 1])
def test_teeth_are_lit_from_the_side_that_lights_the_face(brighter):
    frame = FRAME.copy()
    luma = planes(frame)[0]
    across = (np.arange(luma.shape[1]) - LANDMARKS[0, 0]) / EYES
    luma[:] = np.clip(16 + (luma.astype(float) - 16) * np.clip(0.7 + 0.4 * brighter * across, 0.2, 1.2), 16, 235)
    image = draw_mouth(BANK[2], frame, LANDMARKS).upper.image.astype(float)
    middle = image.shape[1] // 2
    left, right = (half[..., 0][half[..., 3] > 200].mean() for half in (image[:, :middle], image[:, middle:]))
    assert brighter * (right - left) > 8


def test_teeth_in_a_black_and_white_photograph_have_no_colour():
    frame = FRAME.copy()
    for plane in planes(frame)[1:]:
        plane[:] = 128
    drawn = draw_mouth(BANK[5], frame, LANDMARKS)
    for layer in (drawn.upper, drawn.lower, drawn.tongue):
        assert np.abs(layer.image[..., 1:3].astype(int) - 128).max() <= 1
    assert drawn.throat[1:] == pytest.approx([128, 128], abs=0.5)


def test_nothing_of_the_mouth_is_drawn_outside_of_the_lips():
    renderer = make_renderer(FRAME, LANDMARKS, mouth=BANK[2])
    motion = jaw_motion(0.15)
    drawn = renderer.renderer.pictures.inside
    black, white = (
        replace(
            drawn,
            throat=np.float32([luma, 128, 128]),
            **{name: replace(getattr(drawn, name), image=np.full_like(drawn.upper.image, luma)) for name in LAYERS},
        )
        for luma in (16, 235)
    )
    outputs = [
        replace(renderer, renderer=replace(renderer.renderer, pictures=MouthPictures(mouth, None))).render(
            FRAME, LANDMARKS, motion
        )
        for mouth in (black, white)
    ]
    changed = np.abs(planes(outputs[0])[0].astype(int) - planes(outputs[1])[0]) > 3
    lips = LANDMARKS[list(LIPS), :2] + motion[:40, :2] * EYES
    inside = np.zeros(changed.shape, np.uint8)
    cv2.fillPoly(inside, [np.round(opening_outline(lips)).astype(np.int32)], 1)
    near = cv2.dilate(inside, np.ones((13, 13), np.uint8)) > 0
    assert changed[inside > 0].mean() > 0.5
    assert not (changed & ~near).any()


LAYERS = "upper", "lower", "tongue"


def test_mouth_is_drawn_in_the_size_of_the_person():
    small = draw_mouth(BANK[0], FRAME, LANDMARKS)
    large = draw_mouth(BANK[0], i420(cv2.resize(portrait(), None, fx=2, fy=2)), 2 * LANDMARKS)
    assert large.upper.scale == pytest.approx(2 * small.upper.scale, rel=0.01)
    assert len(large.upper.image) == pytest.approx(2 * len(small.upper.image), abs=2)


def faces():
    """Return eight faces (478, 3), whose lower part, mouth and nose are short or long."""
    for lower in (0.85, 1.2):
        for width in (0.9, 1.3):
            for nose in (0.9, 1.05):
                face = canonical_face().copy()
                base = face[2, 1].copy()
                below = face[:, 1] > base
                face[below, 1] = base + lower * (face[below, 1] - base)
                face[list(LIPS), 0] *= width
                face[2, 1] = face[168, 1] + nose * (face[2, 1] - face[168, 1])
                face[below, 1] += face[2, 1] - base
                yield np.float32(face)


def test_each_mouth_of_the_bank_belongs_to_some_face():
    assert [choose_mouth(100 * face[None] + 200) for face in faces()] == list(BANK)


def test_person_keeps_the_mouth_in_all_frames_sizes_and_poses():
    random = np.random.default_rng(4)
    turn = cv2.Rodrigues(np.float32([0.1, 0.2, 0.3]))[0]
    for face, mouth in zip(faces(), BANK, strict=True):
        turned = 170 * face @ turn.T + [400, 300, 0]
        shot = np.float32(turned + random.normal(0, 1, (20, 478, 3)))
        assert choose_mouth(shot) == choose_mouth(shot[7:8]) == mouth


def test_mouths_look_different():
    layers = [draw_mouth(mouth, FRAME, LANDMARKS).upper.image[..., 0].astype(int) for mouth in (*BANK, CHILD)]
    different = [np.abs(one - other).mean() for number, one in enumerate(layers) for other in layers[:number]]
    assert min(different) > 2


def test_same_input_draws_the_same_mouth():
    for name in LAYERS:
        one, other = (getattr(draw_mouth(BANK[3], FRAME, LANDMARKS), name).image for _ in range(2))
        assert (one == other).all()


def test_closed_eyes_have_no_opening():
    closed = LANDMARKS.copy()
    closed[[145, 374]] = closed[[159, 386]]
    assert eye_opening(closed) == 0
    assert eye_opening(LANDMARKS) > 0.03
