import cv2
import numpy as np
import pytest

from heygem_cli.face.shots import ShotDetector
from portrait import i420, scene

SIZE = (640, 360)
RANDOM = np.random.default_rng(5)
ROOM, STREET = RANDOM.integers(40, 200, (2, 6, 24, 3), np.uint8)

NOISE = RANDOM.normal(0, 2, (5, SIZE[1], SIZE[0], 3))


def wall(colors, shift=0):
    """Return a picture of large soft squares, moved by some pixels."""
    tiles = cv2.resize(colors, (60 * colors.shape[1], 60 * colors.shape[0]), interpolation=cv2.INTER_LINEAR)
    return tiles[:, shift : shift + SIZE[0]]


def shots(images):
    detector = ShotDetector()
    return [number for number, image in enumerate(images) if detector.is_new(i420(np.uint8(image)))]


def blend(one, other, share):
    return (1 - share) * one.astype(float) + share * other


def test_cut_is_found():
    assert shots([wall(ROOM)] * 5 + [wall(STREET)] * 5 + [wall(ROOM)] * 5) == [0, 5, 10]


def test_cut_between_moving_pictures_is_found():
    moving = [wall(ROOM, 4 * step) for step in range(10)] + [wall(STREET, 4 * step) for step in range(10)]
    assert shots(moving) == [0, 10]


@pytest.mark.parametrize("step", [1, 4, 12, 30])
def test_pan_is_no_cut(step):
    places = np.cumsum([0] * 5 + [step * k / 8 for k in range(8)] + [step] * 16)
    assert shots([wall(ROOM, round(place)) for place in places]) == [0]


def test_person_who_moves_is_no_cut():
    assert shots([scene(*SIZE, (200 + 12 * k, 180, 300)) for k in range(16)]) == [0]


def test_noise_is_no_cut():
    assert shots([wall(ROOM) * 0.8 + RANDOM.normal(0, 12, (SIZE[1], SIZE[0], 3)) + 20 for _ in range(10)]) == [0]


def filmed(images):
    """Return pictures with the noise of a camera."""
    return [np.clip(image + NOISE[number % len(NOISE)], 0, 255) for number, image in enumerate(images)]


def person(step):
    return scene(*SIZE, (300 + 3 * np.sin(step / 4), 180, 300)).astype(float)


@pytest.mark.parametrize("size", [300, 500, 700])
@pytest.mark.parametrize("gain", [0.008, 0.012, 0.02])
def test_camera_that_adapts_to_the_light_while_somebody_nods_is_no_cut(gain, size):
    nod = [scene(*SIZE, (300, 180 + k, size)) * (0.8 + gain * k) for k in range(24)]
    assert shots(filmed(nod)) == [0]


@pytest.mark.parametrize("length", [1, 2, 5, 12])
@pytest.mark.parametrize("level", [0, 255])
def test_flash_and_frames_without_a_picture_are_no_cuts(length, level):
    blank = [np.full((SIZE[1], SIZE[0], 3), level)] * length
    assert shots(filmed([person(k) for k in range(12)] + blank + [person(12 + k) for k in range(12)])) == [0]


def test_light_of_a_flash_that_decays_is_no_cut():
    shares = (0.6, 0.4, 0.25, 0.15, 0.08, 0.03)
    flash = [blend(person(12 + k), np.full_like(person(0), 255), share) for k, share in enumerate(shares)]
    assert shots(filmed([person(k) for k in range(12)] + flash + [person(18 + k) for k in range(12)])) == [0]


@pytest.mark.parametrize("length", [3, 5, 12, 25, 50])
@pytest.mark.parametrize("level", [0, 255])
def test_fades_out_and_in_are_no_cuts(length, level):
    blank = np.full_like(person(0), level)
    down = [person(k) for k in range(12)] + [blend(person(12 + k), blank, k / length) for k in range(length)]
    up = [blend(blank, person(k), k / length) for k in range(length)] + [person(length + k) for k in range(12)]
    assert shots(filmed(up)) == [0]
    assert shots(filmed(down + [blank] * 5)) == [0]
    assert shots(filmed(down + up)) == [0]


@pytest.mark.parametrize("length", [1, 12])
def test_another_picture_after_blank_frames_begins_a_shot(length):
    blank = [np.zeros((SIZE[1], SIZE[0], 3))] * length
    assert shots([wall(ROOM)] * 10 + blank + [wall(STREET)] * 10 + blank + [wall(ROOM)] * 10) == [
        0,
        10 + length,
        20 + 2 * length,
    ]


def test_cut_on_the_way_of_a_fade_is_found():
    black = np.zeros_like(wall(ROOM))
    down = [blend(wall(ROOM), black, k / 12) for k in range(6)]
    assert shots([wall(ROOM)] * 10 + down + [wall(STREET)] * 10) == [0, 16]


@pytest.mark.parametrize("length", [8, 12, 25, 40])
def test_dissolve_is_a_shot_of_its_own(length):
    dissolve = [blend(wall(ROOM), wall(STREET), (k + 1) / (length + 1)) for k in range(length)]
    first, begin, end = shots([wall(ROOM)] * 10 + dissolve + [wall(STREET)] * 15)
    assert first == 0
    assert 10 < begin < 10 + length / 2 + 6
    assert 10 + length <= end <= 10 + length + 6


def test_fade_to_black_and_to_another_picture_ends_the_shot():
    black = np.zeros_like(wall(ROOM))
    down = [blend(wall(ROOM), black, k / 12) for k in range(13)]
    up = [blend(black, wall(STREET), k / 12) for k in range(13)]
    first, begin = shots([wall(ROOM)] * 10 + down + up + [wall(STREET)] * 15)
    assert (first, begin) == (0, 25)


@pytest.mark.parametrize("size", [(64, 48), (130, 2000), (3840, 2160)])
def test_pictures_of_any_size_are_compared(size):
    grey, face = scene(*size), scene(*size, (size[0] // 2, size[1] // 2, 2 * max(size)))
    assert shots([grey] * 3 + [face] * 3) == [0, 3]
