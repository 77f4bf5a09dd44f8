"""The frame rate of real files: exact for rates of cameras in any container, and not changed by missing frames."""

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.media.timing import measure
from media_factory import X264, digest, make_video

VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")
CONTAINERS = {"mp4": X264, "mkv": X264, "webm": VP8, "flv": X264, "ts": X264, "avi": X264}
RATES = ["24000/1001", "30000/1001", "48000/1001", "60000/1001", "120000/1001", "240000/1001", "30", "50", "120", "240"]
RANDOM = np.random.default_rng(1)


def fps_of(times: np.ndarray, *declared: Fraction) -> Fraction:
    timing = measure(np.asarray(times, float), len(times), declared, None)
    assert timing.reliable
    return timing.fps


@pytest.mark.parametrize("rate", RATES)
def test_rate_is_exact_in_every_container(rate: str, tmp_path: Path):
    for name, codec in CONTAINERS.items():
        video = probe_video(make_video(tmp_path / f"a.{name}", size=(64, 48), rate=rate, seconds=0.7, codec=codec))
        assert (name, video.fps) == (name, Fraction(rate))
        assert abs(video.frames - float(0.7 * video.fps)) < 1


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("declared", [(), (Fraction(1000), Fraction(1000)), (Fraction(120), Fraction(29011, 242))])
def test_rate_is_exact_with_timestamps_in_milliseconds(rate: str, declared: tuple[Fraction, ...]):
    for seconds in (1, 7, 300):
        times = np.rint(np.arange(seconds * float(Fraction(rate))) * 1000 / float(Fraction(rate))) / 1000
        assert fps_of(times, *declared) == Fraction(rate)


@pytest.mark.parametrize("rate", ["1499/50", "37/2", "100/3", "25/2"])
def test_unusual_rate_that_a_file_declares_is_kept(rate: str, tmp_path: Path):
    assert probe_video(make_video(tmp_path / "a.mp4", rate=rate, size=(64, 48), seconds=2)).fps == Fraction(rate)


@pytest.mark.parametrize(
    "dropped",
    ["between(t,0.5,1.3)", "between(t,0.5,1.3)+between(t,2,2.4)", "between(n,10,11)+between(n,20,22)+between(n,30,33)",
     "between(t,1.2,1.9)*mod(n,2)", "between(t,0.1,2.9)"],
)  # fmt: skip
@pytest.mark.parametrize(("name", "rate"), [("mp4", "30"), ("mkv", "30000/1001"), ("webm", "60"), ("flv", "30")])
def test_missing_frames_do_not_change_the_rate(dropped: str, name: str, rate: str, tmp_path: Path):
    filters = f"select='not({dropped})'"
    codec = (*CONTAINERS[name], *(("-bf", "0") if name != "webm" else ()))
    path = make_video(tmp_path / f"a.{name}", rate=rate, seconds=3, size=(64, 48), filters=filters, codec=codec)
    video = probe_video(path)
    assert video.fps == Fraction(rate)
    assert video.frames == pytest.approx(3 * video.fps, abs=1)
    runs = [len(list(run)) for _, run in itertools.groupby(digest(frame) for frame in read_frames(video))]
    assert sum(runs) == pytest.approx(3 * video.fps, abs=1)
    assert max(runs) > 1  # the last frame before a hole is shown until the next one


def test_recording_that_was_paused_keeps_its_rate():
    times = np.arange(300) / 30
    times[100:] += 0.813
    times[200:] += 0.451
    assert fps_of(times, Fraction(5000, 187)) == 30


def test_phone_that_changes_between_two_rates():
    steps = np.where(np.arange(9000) // 500 % 2, 1001 / 30000, 1 / 30)
    assert fps_of(np.cumsum(steps), Fraction(29985, 1000)) in (30, Fraction(30000, 1001))


@pytest.mark.parametrize("jitter", [0.001, 0.004, 0.009])
@pytest.mark.parametrize("rate", ["24", "25", "30", "30000/1001", "60"])
def test_jitter_does_not_change_the_rate(jitter: float, rate: str):
    period = float(1 / Fraction(rate))
    times = np.sort(np.arange(900) * period + RANDOM.normal(0, min(jitter, period / 4), 900))
    assert fps_of(np.rint(times * 1000) / 1000, Fraction(1000)) == pytest.approx(float(Fraction(rate)), rel=0.0011)


def test_camera_that_halves_its_rate_in_the_dark():
    steps = np.where(np.arange(900) < 600, 1 / 15, 1 / 30)
    assert fps_of(np.cumsum(steps), Fraction(900, 50)) == 30


@pytest.mark.parametrize("busy", [0.15, 0.5, 0.9])
def test_screen_recording_has_the_rate_of_its_busy_parts(busy: float):
    still = RANDOM.uniform(0.1, 1.0, round(1000 * (1 - busy)))
    steps = np.concatenate([still, np.full(round(1000 * busy), 1 / 60)])
    times = np.rint(np.cumsum(steps) * 1000) / 1000
    assert fps_of(times, Fraction(1000), Fraction(7)) == 60


def test_film_in_a_pattern_of_five_fields_has_its_average_rate():
    steps = np.tile([1001 / 30000, 1001 / 20000], 100)
    assert fps_of(np.cumsum(steps), Fraction(60000, 1001)) == Fraction(24000, 1001)


@pytest.mark.parametrize("fps", [0.5, 1, 3])
def test_slide_show_is_shown_at_a_usual_rate(fps: float):
    assert fps_of(np.arange(10) / fps, Fraction(fps)) == 25
