import numpy as np

from heygem_cli.speech.mel import log_mel, mel_filters

TIME = np.arange(32_000) / 16_000


def test_filters_equal_those_of_whisper() -> None:
    filters = mel_filters()
    assert filters.shape == (80, 201)
    # From the mel_filters.npz that OpenAI ships with Whisper.
    assert np.isclose(filters[0, 1], 0.02486259, rtol=1e-6)
    assert np.allclose(filters.sum(1)[40:] * 40, 1, atol=0.1)


def test_tone_peaks_in_its_own_band() -> None:
    low, high = (log_mel(np.sin(2 * np.pi * hertz * TIME).astype(np.float32))[:, 100].argmax() for hertz in (300, 3000))
    assert low == 7  # 300 Hz is 4.5 mel, the bands are 0.56 mel apart
    assert 50 < high < 60


def test_range_is_eight_decades() -> None:
    loud = np.sin(2 * np.pi * 440 * TIME).astype(np.float32)
    mel = log_mel(np.concatenate([loud, np.zeros(16_000, np.float32)]))
    assert mel.shape == (80, 300)
    assert np.isclose(mel.max() - mel.min(), 2)  # 8 / 4
