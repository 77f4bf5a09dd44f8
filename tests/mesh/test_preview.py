"""The picture of a frame that was just drawn."""

import cv2
import numpy as np
import pytest

from heygem_cli.mesh import preview
from heygem_cli.mesh.preview import Preview
from portrait import i420, scene


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    times = [100.0]
    monkeypatch.setattr(preview.time, "monotonic", lambda: times[0])
    return times


@pytest.mark.parametrize("bits", [8, 10])
def test_picture_is_written_every_two_seconds(tmp_path, clock, bits):
    path = tmp_path / "preview.jpg"
    shown = Preview(path)
    for second, grey in enumerate((40, 90, 140, 190, 240)):
        clock[0] = 100.0 + second
        frame = i420(np.full((120, 960, 3), grey, np.uint8))
        shown.show(frame if bits == 8 else frame.astype(np.uint16) << 2)
        picture = cv2.imread(str(path))
        assert picture.shape == (60, 480, 3)
        assert abs(int(picture.mean()) - (40, 40, 140, 140, 240)[second]) < 4
    assert [each.name for each in tmp_path.iterdir()] == ["preview.jpg"]


def test_nothing_is_written_without_a_path_or_a_folder(tmp_path):
    Preview(None).show(i420(scene(64, 48)))
    (tmp_path / "file").write_text("")
    Preview(tmp_path / "file" / "preview.jpg").show(i420(scene(64, 48)))
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
