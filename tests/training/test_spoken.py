from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("espeakng_loader", reason="training needs the extra `train`")

from training import spoken


def test_synthesizer_tells_when_each_phone_is_spoken() -> None:
    synthesizer = spoken.Synthesizer()
    samples, phones = synthesizer.say("papa mama", "en", 150, 50)
    bilabials = [phone for phone in phones if phone.symbol in {"p", "m"}]
    assert [phone.symbol for phone in bilabials] == ["p", "p", "m", "m"]
    assert abs(phones[-1].stop - len(samples) / 16_000) < 0.05

    # The lips let no sound out for a p, and some for an m; the vowels between them are louder.
    def level(start: float, stop: float) -> float:
        return float(samples[int(16_000 * start) : int(16_000 * stop)].std())

    vowels = [level(one.stop + 0.03, other.start) for one, other in zip(bilabials[::2], bilabials[1::2], strict=True)]
    assert min(vowels) > 2 * level(bilabials[1].start, bilabials[1].stop - 0.02)
    with pytest.raises(ValueError, match="no voice"):
        synthesizer.say("papa", "nobody", 150, 50)


def test_closures_are_where_bilabials_are_spoken() -> None:
    phones = [spoken.Phone("a", 0, 0.2), spoken.Phone("b", 0.2, 0.28), spoken.Phone("n", 0.28, 0.6)]
    assert np.flatnonzero(spoken.closed_frames(phones, 20)).tolist() == [5, 6]
    assert np.flatnonzero(spoken.closed_frames([spoken.Phone("m", 0.21, 0.22)], 20)).tolist() == [5], "at least one"


def test_utterances_have_closures_in_some_frames() -> None:
    texts = [spoken.pseudo_words(np.random.default_rng(seed)) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]
    for utterance in spoken.make_spoken(2, 82, np.random.default_rng(3)):
        assert len(utterance.samples) == 640 * len(utterance.closures)
        assert utterance.offsets.shape == (len(utterance.closures), 82)
        assert 0.03 < utterance.closures.mean() < 0.4


def test_hibari_tells_when_each_phone_is_spoken() -> None:
    pytest.importorskip("hibari", reason="hibari is not in the extra `train`")
    from training.hibari_voice import HibariVoice

    samples, phones = HibariVoice().say("papa. mama.", 1.0, 0)
    assert [phone.symbol for phone in phones if phone.symbol in {"p", "m"}] == ["p", "p", "m", "m"]
    assert [phone.stop for phone in phones[:-1]] == pytest.approx([phone.start for phone in phones[1:]])
    assert abs(phones[-1].stop - len(samples) / 16_000) < 0.01
