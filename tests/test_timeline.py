import csv
import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.files import OwnOutputs
from heygem_cli.job import FrameState, RenderJob, RenderResult, Span
from heygem_cli.options import Person, RenderOptions
from heygem_cli.timeline import Timeline, Timelines, check_timeline, write_timeline

STATES = st.lists(st.tuples(st.sampled_from(FrameState.__args__), st.integers(1, 3)), min_size=1, max_size=30)


def collected(frames, person=1):
    timeline = Timeline(person)
    for state, shot in frames:
        timeline.add(state, shot)
    return timeline


def result_of(spans, fps=Fraction(25)):
    frames = spans[-1].last + 1
    seconds = {"render": 1.0}
    size = {"width": 64, "height": 64, "bytes": 1}
    faces = {"frames_with_face": None, "frames_without_face": None, "frames_turned_away": None}
    return RenderResult(
        output=Path("out.mp4"), fps=fps, frames=frames, duration=float(frames / fps), seconds=seconds,
        track_cached=False, engine="mesh", provider=None, spans=tuple(spans), **size, **faces,
    )  # fmt: skip


@given(STATES)
def test_spans_say_the_state_of_every_frame_and_do_not_repeat_it(frames):
    timeline = collected(frames, person=2)
    told = [(span.state, span.shot) for span in timeline.spans for _ in range(span.first, span.last + 1)]
    assert told == frames
    assert [span.first for span in timeline.spans[1:]] == [span.last + 1 for span in timeline.spans[:-1]]
    pairs = zip(timeline.spans, timeline.spans[1:], strict=False)
    assert all((one.state, one.shot) != (next_.state, next_.shot) for one, next_ in pairs)
    assert {span.person for span in timeline.spans} == {2}


def test_frame_counts_once_whoever_speaks_in_it():
    timelines = Timelines([3, 1])
    for states in (
        ("rendered", "no face"),
        ("other person", "rendered"),
        ("covered", "no face"),
        ("no face", "outside"),
    ):
        timelines.add(states, 1)
    figures = timelines.figures()
    assert (figures["frames"], figures["frames_with_face"], figures["frames_without_face"]) == (4, 3, 1)
    assert (figures["frames_covered"], figures["frames_outside"], figures["frames_other_person"]) == (1, 0, 0)
    assert [(span.first, span.person, span.state) for span in figures["spans"]] == [
        (0, 3, "rendered"), (0, 1, "no face"), (1, 3, "other person"), (1, 1, "rendered"),
        (2, 3, "covered"), (2, 1, "no face"), (3, 3, "no face"), (3, 1, "outside"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["t.csv", "T.CSV", "t.json"])
def test_file_has_times_and_frames(tmp_path, name):
    spans = [Span(0, 29, 1, 2, "rendered"), Span(30, 30, 2, 2, "other person")]
    write_timeline(tmp_path / name, result_of(spans, Fraction(30000, 1001)))
    if name.endswith("json"):
        content = json.loads((tmp_path / name).read_text())
        assert content["schema"] == 1
        rows = content["timeline"]
    else:
        with (tmp_path / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
    assert [[str(value) for value in row.values()] for row in rows] == [
        ["0.0", "1.001", "0", "29", "1", "2", "rendered"],
        ["1.001", "1.034367", "30", "30", "2", "2", "other person"],
    ]
    assert list(rows[0]) == ["start", "end", "first_frame", "last_frame", "shot", "person", "state"]


def job(folder, timeline, **options):
    own = options.pop("own", OwnOutputs())
    chosen = RenderOptions(timeline=timeline, **options)
    return RenderJob(folder / "a.wav", folder / "f.mp4", folder / "out.mp4", chosen, own)


@pytest.mark.parametrize("name", ["t.txt", "t", "t.mp4", "file/t.csv", "."])
def test_file_that_cannot_be_written_is_an_error_beforehand(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(InputError):
        check_timeline(job(tmp_path, tmp_path / name))


def test_picture_of_the_person_is_not_replaced(tmp_path):
    picture = tmp_path / "person.csv"
    picture.write_bytes(b"picture")
    with pytest.raises(InputError, match="would replace an input"):
        check_timeline(job(tmp_path, picture, person=Person(None, picture=picture), overwrite=True))


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_existing_file_is_replaced_only_if_it_is_the_jobs_own_timeline(tmp_path, name):
    path, own = tmp_path / name, OwnOutputs(frozenset({"123 bytes"}))
    path.write_text("start,precious\n")
    for each in (OwnOutputs(), own):
        with pytest.raises(InputError, match="the timeline exists"):
            check_timeline(job(tmp_path, path, own=each))
    check_timeline(job(tmp_path, path, overwrite=True))
    write_timeline(path, result_of([Span(0, 1, 1, 1, "rendered")]))
    check_timeline(job(tmp_path, path, own=own))
    with pytest.raises(InputError, match="the timeline exists"):
        check_timeline(job(tmp_path, path))


def test_folder_that_became_a_file_is_an_error_of_one_line(tmp_path):
    (tmp_path / "folder").touch()
    with pytest.raises(HeygemError, match=r"folder/t\.csv: it cannot be written"):
        write_timeline(tmp_path / "folder" / "t.csv", result_of([Span(0, 1, 1, 1, "rendered")]))
