"""Tests of ``heygem faces`` as a process with real files, and of ``--person`` with several people."""

import csv
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from heygem_cli.face.sheet import CAPTION, CELL, GAP
from messages import without_progress
from portrait import face_tracker, i420, make_face_video, make_voice, portrait, scene

LEFT, RIGHT = (160, 200, 330), (480, 200, 330)


def somebody_else(width, height, face):
    """Return a scene with a narrower, darker face."""
    narrow = cv2.resize(scene(width * 4 // 3, height, (face[0] * 4 / 3, *face[1:])), (width, height))
    return (narrow * np.array([0.5, 0.6, 0.8])).astype(np.uint8)


@pytest.fixture(scope="module")
def interview(media):
    """12 frames of two people, then 6 with the right one alone."""
    right = scene(640, 400, RIGHT)
    both = right.copy()
    both[:, :320] = somebody_else(320, 400, LEFT)
    return make_face_video(media / "interview.mp4", [both] * 12 + [right] * 6)


@pytest.fixture(scope="module")
def voice(media):
    return make_voice(media / "faces voice.wav", 0.72)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def heygem(tmp_path, cache):
    """Run heygem in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()

    def run(*args, status=0):
        environment = os.environ | {"HEYGEM_CACHE_DIR": str(cache)}
        command = [sys.executable, "-m", "heygem_cli", *map(str, args)]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done

    run.folder = folder
    return run


def test_people_are_listed_with_place_share_and_times(heygem, interview):
    done = heygem("faces", interview)
    assert without_progress(done.stderr) == ""
    header, one, two, count = done.stdout.splitlines()
    assert header.split() == ["person", "where", "face", "frames", "first", "last"]
    assert one.split()[:2] == ["1", "left"]
    assert one.split()[-5:] == ["67%", "0.00", "s", "0.48", "s"]
    assert two.split()[:2] == ["2", "right"]
    assert two.split()[-5:] == ["100%", "0.00", "s", "0.72", "s"]
    assert count == "2 people in 2 shots and 18 frames"


def test_json_is_one_object_and_boxes_are_around_the_faces(heygem, interview):
    done = heygem("faces", interview, "--json")
    found = json.loads(done.stdout)
    assert (found["schema"], found["frames"], found["shots"], found["sheet"]) == (1, 18, 2, None)
    one, two = found["people"]
    assert (one["number"], one["where"], one["frames"], one["share"]) == (1, "left", 12, 0.6667)
    assert (one["first"], one["last"], two["first"], two["last"]) == (0, 0.48, 0, 0.72)
    for person, (x, y, height) in ((one, LEFT), (two, RIGHT)):
        assert person["left"] < x < person["left"] + person["width"]
        assert abs(person["top"] + person["height"] / 2 - y) < 0.2 * height
        assert 0.2 * height < person["width"] < 0.8 * height
    assert 0 <= one["best_frame"] < 12


@pytest.mark.parametrize("name", ["faces.png", "faces.JPG", "faces.webp"])
def test_sheet_has_a_numbered_cell_with_the_face_of_each_person(heygem, interview, name):
    done = heygem("faces", interview, "--sheet", name)
    assert f"their pictures are in {name}" in done.stdout
    assert [path.name for path in heygem.folder.iterdir()] == [name]
    sheet = cv2.imread(str(heygem.folder / name))
    assert sheet.shape == (2 * GAP + CELL + CAPTION, 3 * GAP + 2 * CELL, 3)
    for number in (0, 1):
        left = GAP + number * (GAP + CELL)
        cell = sheet[GAP : GAP + CELL + CAPTION, left : left + CELL]
        (tracked,) = face_tracker().follow([i420(cell[:CELL])])
        (face,) = tracked.faces
        assert np.abs(face.landmarks[:, :2].mean(0) - CELL / 2).max() < 0.1 * CELL
        assert cell[5, 5].max() < 60  # the label with the number
        assert (cell[5:55, 5:40].min(2) > 200).sum() > 50
        assert (cell[CELL:].max(2) < 120).sum() > 300  # the caption


def test_existing_sheet_is_kept_without_overwrite(heygem, interview):
    sheet = heygem.folder / "faces.png"
    sheet.write_bytes(b"precious")
    done = heygem("faces", interview, "--sheet", sheet, status=2)
    assert "the sheet exists. Use --overwrite to replace it" in done.stderr
    assert sheet.read_bytes() == b"precious"
    heygem("faces", interview, "--sheet", sheet, "--overwrite")
    assert cv2.imread(str(sheet)) is not None


def test_photograph_has_no_times(heygem):
    cv2.imwrite(str(heygem.folder / "photo.png"), portrait())
    done = heygem("faces", "photo.png", "--sheet", "faces.png")
    header, person, count = done.stdout.splitlines()
    assert header.split() == ["person", "where", "face"]
    assert person.split()[:2] == ["1", "center"]
    assert count == "1 person; their pictures are in faces.png"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["no.mp4"], "no.mp4: there is no such file"),
        (["CLIP"], "clip.mp4: no face found in 25 frames. Use a file with a real face"),
        (["VOICE"], "it has no video stream"),
        (["INTERVIEW", "--sheet", "faces.gif"], "Use a name that ends in .png, .jpg or .webp"),
        (["INTERVIEW", "--sheet", "faces"], "Use a name that ends in .png, .jpg or .webp"),
        (["INTERVIEW", "--video-track", "2"], "track"),
        ([], "FILE"),
    ],
)
def test_unusable_input_is_an_error(heygem, interview, clip, voice, args, says):
    files = {"INTERVIEW": interview, "CLIP": clip, "VOICE": voice}
    done = heygem("faces", *(files.get(arg, arg) for arg in args), status=2)
    assert says in done.stderr
    assert done.stdout == ""
    assert list(heygem.folder.iterdir()) == []


def test_sheet_does_not_replace_the_photograph(heygem):
    photo = heygem.folder / "photo.png"
    cv2.imwrite(str(photo), portrait())
    content = photo.read_bytes()
    done = heygem("faces", photo, "--sheet", photo, "--overwrite", status=2)
    assert "would replace an input" in done.stderr
    assert photo.read_bytes() == content


def test_error_is_an_object_with_json(heygem, clip):
    done = heygem("faces", clip, "--json", status=2)
    assert json.loads(done.stdout)["error"]["code"] == "no-face"


def test_render_uses_the_track_and_its_timeline_says_where_the_person_is(heygem, interview, voice):
    heygem("faces", interview)
    made = heygem("render", voice, interview, "-o", "out.mp4", "--person", "1", "--timeline", "out.csv", "--json")
    result = json.loads(made.stdout)
    assert (result["track_cached"], result["shots"], result["people"], result["frames"]) == (True, 2, 2, 18)
    assert (result["frames_with_face"], result["frames_without_face"], result["frames_other_person"]) == (12, 6, 6)
    with (heygem.folder / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["start"], row["end"], row["person"], row["state"]) for row in rows] == [
        ("0.0", "0.48", "1", "rendered"),
        ("0.48", "0.72", "1", "other person"),
    ]


def test_summary_says_who_was_taken_of_several_people(heygem, interview, voice):
    done = heygem("render", voice, interview, "-o", "out.mp4")
    assert "2 shots, 2 people, number 2 speaks" in done.stdout
    assert "it shows 2 people; the one seen most was taken, number 2" in done.stderr
    done = heygem("render", voice, interview, "-o", "chosen.mp4", "--person", "right")
    assert without_progress(done.stderr) == ""


def test_summary_warns_where_the_mouth_hardly_ever_moves(heygem, media, voice):
    face, wall = scene(640, 400, RIGHT), scene(640, 400)
    video = make_face_video(media / "hardly.mp4", [face] * 6 + [wall] * 12)
    done = heygem("render", voice, video, "-o", "out.mp4")
    assert "hardly.mp4: the mouth moves in only 6 of 18 frames; --timeline says why in each" in done.stderr
    half = make_face_video(media / "half.mp4", [face] * 9 + [wall] * 9)
    assert without_progress(heygem("render", voice, half, "-o", "half-out.mp4").stderr) == ""


def test_existing_timeline_is_kept_without_overwrite(heygem, interview, voice):
    (heygem.folder / "t.csv").write_text("precious")
    done = heygem("render", voice, interview, "-o", "out.mp4", "--timeline", "t.csv", status=2)
    assert "t.csv: the timeline exists" in done.stderr
    assert [path.name for path in heygem.folder.iterdir()] == ["t.csv"]


def test_person_of_a_picture_speaks(heygem, interview, voice):
    cv2.imwrite(str(heygem.folder / "Grace Hopper.png"), portrait())
    args = ("render", voice, interview, "-o", "out.mp4", "--json", "--person")
    result = json.loads(heygem(*args, "Grace Hopper.png").stdout)
    assert (result["people"], result["warnings"]) == (2, [])
    for name, says in (("no.png", "no.png: there is no such file"), (interview, "--person takes a picture")):
        assert says in heygem(*args, name, "--overwrite", status=2).stderr
