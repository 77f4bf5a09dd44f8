import cv2
import numpy as np
import pytest

from heygem_cli.face.geometry import canonical_face, head_pose
from heygem_cli.mesh.age_look import IRISES, NOSE_BASE, NOSE_BRIDGE, looks_like_child, nose_length
from heygem_cli.mesh.drawn_mouth import draw_mouth
from heygem_cli.mesh.teeth import BANK, CHILD, choose_mouth
from portrait import i420, portrait, track_frame

FRAME = i420(portrait())
LANDMARKS = track_frame(FRAME)


def face_with_irises(times):
    """Return a face (478, 3) with larger irises, which is one whose other parts are smaller: the eyes are the unit."""
    face = canonical_face().copy()
    for ends in IRISES:
        rows = np.ravel(ends)
        center = face[rows].mean(0)
        face[rows] = center + times * (face[rows] - center)
    return np.float32(face)


def face_with_nose(irises):
    """Return a face whose nose is as long as so many diameters of its irises, but otherwise is that of an adult."""
    face = canonical_face()
    return face_with_irises(nose_length(face) / irises)


CHILD_FACE = face_with_nose(3.5)
"""Between 3.2, the mean of children of 2 and 3 years, and 3.6, that of 4 to 6."""


def test_mean_face_and_portrait_are_those_of_adults():
    portrayed = head_pose(LANDMARKS, canonical_face()).to_canonical(LANDMARKS)
    assert not looks_like_child(canonical_face())
    assert not looks_like_child(portrayed)
    assert choose_mouth(LANDMARKS[None]) in BANK


def test_face_that_is_small_beside_its_irises_is_a_childs():
    assert looks_like_child(CHILD_FACE)
    # Two standard deviations below the mean of adults.
    assert not looks_like_child(face_with_nose(3.93))


def test_short_nose_alone_does_not_make_an_adult_a_child():
    face = canonical_face().copy()
    face[NOSE_BASE, 1] -= 0.1 * (face[NOSE_BASE, 1] - face[NOSE_BRIDGE, 1])
    assert not looks_like_child(face)


@pytest.mark.parametrize("scale", [40, 170, 900])
def test_child_gets_primary_teeth_in_all_sizes_and_poses(scale):
    random = np.random.default_rng(3)
    for angles in ([0, 0, 0], [0.1, 0.2, 0.3], [-0.1, -0.2, -1.2]):
        turned = scale * CHILD_FACE @ cv2.Rodrigues(np.float32(angles))[0].T + [400, 300, 0]
        shot = np.float32(turned + random.normal(0, 0.003 * scale, (50, 478, 3)))
        assert choose_mouth(shot) == CHILD


def test_blinks_do_not_change_whose_teeth_are_drawn():
    shot = np.repeat(100 * CHILD_FACE[None], 50, axis=0)
    irises = np.ravel(IRISES)
    shot[::3, irises, 1] = shot[::3, irises, 1].mean(1, keepdims=True)
    assert choose_mouth(shot) == CHILD


def gaps(mouth):
    """Return how many gaps there are in the row of upper teeth, near their edges, behind which the mouth is seen."""
    layer = draw_mouth(mouth, i420(cv2.resize(portrait(), None, fx=3, fy=3)), 3 * LANDMARKS).upper
    row = round(layer.origin[1] - 0.03 * layer.scale)
    reach = round(0.2 * layer.scale)
    middle = round(layer.origin[0])
    open_ = layer.image[row, middle - reach : middle + reach, 3] < 128
    return int((np.diff(open_.astype(int)) == 1).sum())


def test_primary_teeth_stand_apart_and_permanent_ones_do_not():
    assert gaps(CHILD) >= 5
    assert max(gaps(mouth) for mouth in BANK) <= 1


def test_primary_incisors_are_smaller_than_those_of_adults():
    adult = BANK[6].dentition
    for row in (0, 1):
        for number in (0, 1):
            assert CHILD.dentition.widths[row][number] < adult.widths[row][number]
            assert CHILD.dentition.heights[row][number] < 0.85 * adult.heights[row][number]
