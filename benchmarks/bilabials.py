"""Where GRID sentences have p, b and m."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from training.bilabials import bilabial_times
from training.clips import Clip, read_samples
from training.grid_words import TIMINGS, align_words, sentence_of
from training.measure import TRAIN
from training.whisper import load_encoder


def find_bilabials(data: Path, clips: Sequence[Path]) -> dict[str, list[float]]:
    """Return the times in seconds of the bilabials in each clip whose name spells a GRID sentence.

    Args:
        data: Folder with ``grid/train`` and ``grid/align``, from which the words are learnt; without them,
            none is known.
        clips: The clips.
    """
    if not all((data / name).is_dir() for name in (TRAIN, TIMINGS)):
        return {}
    named = [path for path in (*sorted((data / TRAIN).iterdir()), *clips) if sentence_of(path.name)]
    sounds = [Clip(path.name, 25, read_samples(path), np.zeros((0, 478, 3), np.float32)) for path in named]
    words = align_words(sounds, data / TIMINGS, load_encoder())
    return {path.name: bilabial_times(words[path.name]) for path in clips if path.name in words}
