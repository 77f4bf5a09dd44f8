"""The face that many tests of the mesh engine render."""

import pytest

from portrait import i420, scene, track_frame


@pytest.fixture(scope="module")
def frame():
    """A frame in 720p with one face, I420."""
    return i420(scene(1280, 720, (640, 360, 700)))


@pytest.fixture(scope="module")
def landmarks(frame):
    """The landmarks of the face."""
    return track_frame(frame)
