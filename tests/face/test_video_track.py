import os
from dataclasses import replace

import numpy as np
import pytest

from heygem_cli.errors import HeygemError
from heygem_cli.face.video_track import Face, TrackedFrame, read_track, write_track
from tracks import frames_of, looks, numbered_frames, numbered_rows


def content(track):
    return {
        "frames": len(track),
        "complete": track.complete,
        "rows": list(zip(track.row_frames.tolist(), track.row_tracklets.tolist(), strict=True)),
        "landmarks": track.landmarks(0, 99)[:, 477, 2].tolist(),
        "samples": list(zip(track.sample_frames.tolist(), track.sample_tracklets.tolist(), strict=True)),
        "appearance": track.samples.argmax(1).tolist(),
        "cuts": track.cuts.tolist(),
    }


def some_faces():
    """Return frames with two faces, with one, a shot without any, and a shot with a third one."""
    face = [Face(number, np.full((478, 3), number + 0.5, np.float32), looks(number)) for number in range(3)]
    again = replace(face[1], appearance=None)
    return [
        TrackedFrame(True, (face[0], face[1])), TrackedFrame(False, (again,)), TrackedFrame(True, ()),
        TrackedFrame(True, (face[2],)),
    ]  # fmt: skip


SOME_FACES = {
    "frames": 4,
    "complete": True,
    "rows": [(0, 0), (0, 1), (1, 1), (3, 2)],
    "landmarks": [0.5, 1.5, 1.5, 2.5],
    "samples": [(0, 0), (0, 1), (3, 2)],
    "appearance": [0, 1, 2],
    "cuts": [0, 2, 3],
}


def test_track_is_read_as_written(tmp_path):
    written = write_track(tmp_path / "a.track", some_faces(), limit=9)
    assert content(written) == content(read_track(tmp_path / "a.track")) == SOME_FACES


def test_first_frames_of_a_track_are_the_track_of_the_first_frames(tmp_path):
    whole = write_track(tmp_path / "a.track", some_faces(), limit=9)
    for count in range(1, 4):
        part = write_track(tmp_path / "part.track", some_faces()[:count], limit=count)
        assert content(whole.truncated(count)) == content(part)
    assert content(whole.truncated(4)) == content(whole.truncated(99)) == SOME_FACES


def test_track_that_reaches_its_limit_is_not_complete(tmp_path):
    assert not write_track(tmp_path / "a.track", numbered_frames(5), limit=5).complete


@pytest.mark.parametrize("cut", [0, 3, 16, 17, -1, -4])
def test_truncated_track_is_rejected(tmp_path, cut):
    path = tmp_path / "a.track"
    write_track(path, numbered_frames(3), limit=9)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    with pytest.raises(HeygemError, match=r"a\.track: the cached face track is (cut off|of another version)") as caught:
        read_track(path)
    assert caught.value.code == "bad-track"


def test_any_changed_byte_is_found(tmp_path):
    path = tmp_path / "a.track"
    write_track(path, some_faces(), limit=9, key="face")
    whole = path.read_bytes()
    for place in [*range(60), *range(60, len(whole), 997), *range(len(whole) - 20, len(whole))]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(HeygemError):
            read_track(path, key="face")
    path.write_bytes(whole)
    assert content(read_track(path, key="face")) == SOME_FACES


def with_point(row, value):
    row[200, 1] = value
    return row


def a_face(tracklet, **changes):
    return replace(Face(tracklet, np.zeros((478, 3), np.float32), looks(0)), **changes)


IMPOSSIBLE = {
    "NaN": lambda: frames_of([with_point(row, np.nan) for row in numbered_rows(3)]),
    "infinity": lambda: frames_of([with_point(row, -np.inf) for row in numbered_rows(3)]),
    "far outside": lambda: frames_of([with_point(row, 1e4) for row in numbered_rows(3)]),
    "no frames": list,
    "no shot": lambda: [TrackedFrame(False, (a_face(0),))],
    "no shot in the first frame": lambda: [TrackedFrame(False, ()), TrackedFrame(True, ())],
    "a face twice in a frame": lambda: [TrackedFrame(True, (a_face(0), a_face(0)))],
    "faces in disorder": lambda: [TrackedFrame(True, (a_face(1), a_face(0)))],
    "NaN in an appearance": lambda: [TrackedFrame(True, (a_face(0, appearance=np.nan * looks(0)),))],
    "a face without an appearance": lambda: [TrackedFrame(True, (a_face(0, appearance=None),))],
    "a face in two shots": lambda: [TrackedFrame(True, (a_face(0),)), TrackedFrame(True, (a_face(0),))],
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_track_with_a_right_checksum_is_rejected(name, tmp_path):
    path = tmp_path / "a.track"
    write_track(path, IMPOSSIBLE[name](), limit=9)
    with pytest.raises(HeygemError):
        read_track(path, reach=1000)
    write_track(path, frames_of([with_point(row, -990) for row in numbered_rows(3)]), limit=9)
    assert len(read_track(path, reach=1000)) == 3


def test_track_that_is_cut_off_while_it_is_used_is_an_error(tmp_path):
    write_track(tmp_path / "a.track", numbered_frames(3), limit=9).close()
    track = read_track(tmp_path / "a.track")
    os.truncate(tmp_path / "a.track", 9000)
    assert len(track.landmarks(0, 1)) == 1
    with pytest.raises(HeygemError, match=r"a\.track: the cached face track is cut off while it was used"):
        track.landmarks(2, 1)
