from __future__ import annotations

import numpy as np
import pytest

from heygem_cli.face.geometry import INNER_LOWER_MID, INNER_UPPER_MID, Array, canonical_face

pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("librosa", reason="training needs the extra `train`")

from training.augment import Utterance
from training.clips import Clip
from training.grid_words import Word
from training.held_out import encode_groups
from training.network import MouthNetwork
from training.whisper import load_encoder

from training import held_out_closures

FRAMES = 50


def speaking(name: str, openings: Array) -> Clip:
    """Return a clip of a face whose mouth opens as told, and of a tone."""
    landmarks = 100 * canonical_face()[None].repeat(len(openings), 0)
    landmarks[:, INNER_LOWER_MID] = landmarks[:, INNER_UPPER_MID]
    landmarks[:, INNER_LOWER_MID, 1] += 100 * openings
    samples = 0.1 * np.sin(np.arange(len(openings) * 640) * 0.05)
    return Clip(name, 25.0, samples.astype(np.float32), landmarks.astype(np.float32))


def test_a_closure_counts_where_the_real_lips_touch() -> None:
    real, predicted = np.full(FRAMES, 0.1, np.float32), np.full(FRAMES, 0.1, np.float32)
    real[[10, 11, 12, 30]] = 0
    predicted[13], predicted[33] = 0.01, 0.0
    words = [Word("bin", 0.48, 0.6), Word("place", 1.12, 1.4), Word("blue", 1.8, 1.9), Word("red", 0.0, 0.4)]
    gaps = held_out_closures.gaps_at_closures(predicted, speaking("s4_1.mpg", real), words)
    # The real lips do not touch for "blue", and those of "place" close three frames too late.
    assert list(gaps) == pytest.approx([0.01, 0.1])


def test_networks_have_not_seen_the_speakers_that_they_are_judged_by(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def remember(examples: list[object], *_: object, **__: object) -> MouthNetwork:
        seen.append({round(float(value)) for example in examples for value in np.unique(example.offsets)} - {0})  # type: ignore[attr-defined]
        return MouthNetwork(12 if len(seen) % 2 else 1).eval()

    monkeypatch.setattr("training.held_out.PASSES", 1)
    monkeypatch.setattr(held_out_closures, "train_network", remember)
    monkeypatch.setattr(held_out_closures, "train_closing", remember)
    swell = np.clip(np.sin(np.arange(FRAMES) * 0.5), 0, 1).astype(np.float32) * 0.1
    clips = [speaking(f"{name}_1.mpg", swell) for name in ("s1", "s4", "s26", "s31")]
    utterances = [
        Utterance(clip.samples, np.full((FRAMES, 82), number, np.float32), np.zeros(FRAMES, np.float32), 1.0)
        for number, clip in enumerate(clips, 1)
    ]
    encoder = load_encoder()
    groups = encode_groups(clips, utterances, encoder.encode)
    model = held_out_closures.train_without(("s26", "sx3"), groups, groups["s1",], encoder)
    assert seen == [{1, 2, 4}, {1, 2, 4}]
    openings = held_out_closures.predict_openings(model, clips[2:3])
    held_out_closures.report(openings, clips[2:3], {"s26_1.mpg": [Word("bin", 0.28, 0.4)]})
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed] == ["motion alone", "with closures"]
    assert all("of 1 close; r s26 " in line for line in printed)
