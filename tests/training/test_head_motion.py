import numpy as np
import pytest
from training.clips import Clip
from training.head_motion import blink_course, blinks, clip_motion, fit_prosody, fit_rest, held_out_correlation

from heygem_cli.face.geometry import canonical_face
from heygem_cli.mesh.idle_motion import LAGS, head_statistics, lagged, loudness
from heygem_cli.speech.silence import speech_levels

RATE, SECONDS = 25, 6


def syllables(seed: int) -> np.ndarray:
    """Noise that is loud and soft in turn, 16 kHz."""
    random = np.random.default_rng(seed)
    gain = np.repeat(random.uniform(0.01, 1, SECONDS * 4), 4000)
    return np.float32(0.2 * gain * random.standard_normal(len(gain)))


def nodding_clip(speaker: str, seed: int) -> Clip:
    """A head that turns 2° for each unit of loudness 0.12 s before."""
    samples = syllables(seed)
    loud = lagged(loudness(speech_levels(samples), RATE), RATE)[:, LAGS.tolist().index(-0.12)]
    turn = np.radians(2 * loud)
    rotation = np.zeros((len(turn), 3, 3), np.float32)
    rotation[:, 0, 0] = rotation[:, 2, 2] = np.cos(turn)
    rotation[:, 0, 2], rotation[:, 2, 0] = np.sin(turn), -np.sin(turn)
    rotation[:, 1, 1] = 1
    face = np.float32([300, 300, 0]) + 100 * canonical_face() @ rotation.transpose(0, 2, 1)
    return Clip(f"{speaker}_{seed}.mpg", RATE, samples, face.astype(np.float32))


def test_motion_that_follows_loudness_is_found_and_foretold() -> None:
    motions = [clip_motion(nodding_clip(speaker, seed)) for seed, speaker in enumerate(["s1", "s1", "s2", "s3"])]
    prosody = fit_prosody(motions)
    assert abs(prosody[:, 1]).argmax() == LAGS.tolist().index(-0.12)
    assert 1 < prosody[:, 1].sum() < 2.2  # the filter is damped
    assert np.abs(prosody[:, [0, 2]]).max() < 0.05
    assert held_out_correlation(motions)[1] > 0.9
    deviation, _ = fit_rest(motions, prosody, RATE)
    assert deviation[1] < 0.5 * np.concatenate([each.angles for each in motions])[:, 1].std()


def test_blinks_are_found_with_their_course() -> None:
    clip = nodding_clip("s1", 3)
    open_eyes = clip.landmarks[:, [159, 386]].copy()
    course = [0.1, 0.6, 1, 0.8, 0.4, 0.2]
    for start in (30, 80):
        for frame, closure in enumerate(course, start):
            lower = clip.landmarks[frame, [145, 374]]
            clip.landmarks[frame, [159, 386]] += closure * (lower - open_eyes[frame])
    found = blinks(clip)
    assert len(found) == 2
    assert blink_course(found)[4:10] == pytest.approx(course, abs=0.02)


def test_the_statistics_that_are_shipped_are_those_of_people() -> None:
    statistics = head_statistics()
    assert statistics.prosody.shape == (len(LAGS), 3)
    assert ((statistics.deviation > 0.2) & (statistics.deviation < 1)).all()
    assert ((statistics.pace > 0.1) & (statistics.pace < 1)).all()
    assert statistics.blink.max() == 1
    assert statistics.blink[[0, -1]].max() == 0
