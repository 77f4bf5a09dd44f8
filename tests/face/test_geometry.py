import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.face import geometry
from heygem_cli.face.geometry import canonical_face

angles = st.floats(-40, 40)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    y, p, r = np.radians([yaw, pitch, roll])
    around_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    around_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    around_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (around_z @ around_x @ around_y).astype(np.float32)


@given(angles, angles, angles, st.floats(20, 800), st.floats(-500, 3000))
def test_head_pose_recovers_transform(yaw, pitch, roll, scale, shift):
    face = canonical_face()
    expected = rotation(yaw, pitch, roll)
    landmarks = (scale * face @ expected.T + np.float32([shift, -shift, 7])).astype(np.float32)
    pose = geometry.head_pose(landmarks, face)
    assert pose.scale == pytest.approx(scale, rel=1e-3)
    assert np.allclose(pose.rotation, expected, atol=2e-3)
    assert np.allclose(pose.to_canonical(landmarks), face, atol=5e-3)
    assert np.allclose(pose.to_image(pose.to_canonical(landmarks)), landmarks, atol=scale * 1e-2)


def test_yaw_is_angle_to_the_side():
    face = canonical_face()
    frontal = geometry.head_pose(face * 100, face)
    rotated = geometry.head_pose((face * 100) @ rotation(30, 0, 0).T, face)
    assert abs(float(frontal.yaw)) < 0.1
    assert abs(float(rotated.yaw)) == pytest.approx(30, abs=0.2)


def test_head_pose_of_many_frames_equals_pose_of_each():
    face = canonical_face()
    frames = np.stack([(k + 1) * 50 * face @ rotation(5 * k, -3 * k, k).T for k in range(6)]).astype(np.float32)
    together = geometry.head_pose(frames, face)
    for k, frame in enumerate(frames):
        assert np.allclose(together.rotation[k], geometry.head_pose(frame, face).rotation, atol=1e-5)


def test_canonical_face_is_symmetric_with_unit_interocular_distance():
    face = canonical_face()
    assert face.shape == (478, 3)
    assert geometry.interocular(face) == pytest.approx(1)
    assert np.allclose(face[[33, 61, 234]] * [-1, 1, 1], face[[263, 291, 454]], atol=1e-4)


def test_lips_are_forty_distinct_points():
    assert len(geometry.LIPS) == len(set(geometry.LIPS)) == 40
