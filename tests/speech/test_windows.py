from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.speech.windows import join_windows, split_windows


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(5, 20), st.integers(1, 4))
def test_windows_cover_every_sample_and_overlap(sizes: list[int], size: int, overlap: int) -> None:
    whole = np.arange(sum(sizes), dtype=np.float32)
    chunks = np.split(whole, np.cumsum(sizes)[:-1]) if sizes else []
    windows = list(split_windows(chunks, size, overlap))
    end = 0
    for start, samples in windows:
        assert start == (end - overlap if end else 0)
        assert np.array_equal(samples, whole[start : start + len(samples)])
        assert len(samples) <= size
        end = start + len(samples)
    assert end == len(whole)
    assert all(len(samples) == size for _, samples in windows[:-1])


@given(st.integers(1, 5), st.integers(3, 9))
def test_joining_windows_restores_the_curve(windows: int, overlap: int) -> None:
    size = 2 * overlap + 3
    curve = np.random.default_rng(windows).standard_normal((windows * (size - overlap) + overlap, 2), np.float32)
    starts = range(0, windows * (size - overlap), size - overlap)
    joined = join_windows(((start, curve[start : start + size].copy()) for start in starts), overlap)
    assert np.allclose(joined, curve, atol=1e-6)
