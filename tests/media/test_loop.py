"""Loop videos in bounded memory."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.errors import HeygemError
from heygem_cli.media import read
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import loop_frames, loop_index, read_frames
from heygem_cli.media.types import VideoInfo
from media_factory import digest, make_video

FRAMES = 25


@pytest.fixture(scope="module")
def video(clip: Path) -> VideoInfo:
    return probe_video(clip)


@pytest.fixture(scope="module")
def frames(video: VideoInfo) -> list[str]:
    return [digest(frame) for frame in read_frames(video)]


def bounce(n: int) -> itertools.cycle:
    """Return the indices of a ping-pong loop, which does not repeat the first and last frame."""
    return itertools.cycle([*range(n), *range(n - 2, 0, -1)])


@given(n=st.integers(1, 50), total=st.integers(0, 300))
def test_pingpong_plays_forwards_and_backwards(n: int, total: int):
    assert [loop_index(i, n, "pingpong") for i in range(total)] == list(itertools.islice(bounce(n), total))


@given(n=st.integers(2, 1000), i=st.integers(0, 10**9))
def test_pingpong_moves_by_one_frame(n: int, i: int):
    assert abs(loop_index(i + 1, n, "pingpong") - loop_index(i, n, "pingpong")) == 1


@given(n=st.integers(1, 1000), i=st.integers(0, 10**9))
def test_other_modes(n: int, i: int):
    assert loop_index(i, n, "forward") == i % n
    assert loop_index(i, n, "hold") == min(i, n - 1)
    if i < n:
        assert loop_index(i, n, "none") == i
    else:
        with pytest.raises(IndexError):
            loop_index(i, n, "none")


@pytest.mark.parametrize(
    "case",
    [("pingpong", capacity, 120) for capacity in (7, 24, 25, 100)]
    + [("pingpong", 1, 27), ("pingpong", 7, 48), ("pingpong", 7, 49), ("pingpong", 7, 50)]
    + [(mode, capacity, 70) for mode in ("forward", "hold") for capacity in (7, 25, 100)]
    + [("pingpong", 100, total) for total in (1, 24, 25, 26)],
    ids=str,
)
def test_frames_match_their_index(
    case: tuple[read.LoopMode, int, int], video: VideoInfo, frames: list[str], monkeypatch: pytest.MonkeyPatch
):
    mode, capacity, total = case
    monkeypatch.setattr(read, "LOOP_BYTES", capacity * video.width * video.height * 3 // 2)
    looped = list(loop_frames(video, total, mode))
    assert [index for index, _ in looped] == [loop_index(i, FRAMES, mode) for i in range(total)]
    assert [digest(frame) for _, frame in looped] == [frames[index] for index, _ in looped]


@pytest.mark.parametrize("estimate", [1, 20, 30, 1000])
@pytest.mark.parametrize("mode", ["pingpong", "forward"])
def test_wrong_estimate_of_length_has_no_effect(
    estimate: int, mode: read.LoopMode, video: VideoInfo, frames: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(read, "LOOP_BYTES", 22 * video.width * video.height * 3 // 2)
    looped = list(loop_frames(replace(video, frames=estimate), 70, mode))
    assert [digest(frame) for _, frame in looped] == [frames[loop_index(i, FRAMES, mode)] for i in range(70)]


def test_video_that_is_too_short_without_loop_is_an_error(video: VideoInfo):
    assert len(list(loop_frames(video, FRAMES, "none"))) == FRAMES
    with pytest.raises(HeygemError, match="the video has 25 frames, the audio needs 26") as caught:
        list(loop_frames(video, FRAMES + 1, "none"))
    assert caught.value.code == "video-too-short"


@pytest.mark.parametrize("mode", ["pingpong", "forward", "hold", "none"])
def test_still_image_is_repeated_in_every_mode(mode: read.LoopMode, image: Path):
    looped = list(loop_frames(probe_video(image), 40, mode))
    assert [index for index, _ in looped] == [0] * 40
    assert len({id(frame) for _, frame in looped}) == 1


@pytest.mark.parametrize("mode", ["pingpong", "forward", "hold"])
def test_video_of_one_frame_is_repeated(mode: read.LoopMode, tmp_path: Path):
    one = probe_video(make_video(tmp_path / "one.mp4", extra=("-frames:v", "1")))
    assert [index for index, _ in loop_frames(one, 5, mode)] == [0] * 5


def test_frames_are_read_only(video: VideoInfo):
    _, frame = next(loop_frames(video, 2, "hold"))
    with pytest.raises(ValueError, match="read-only"):
        frame[0, 0] = 1
