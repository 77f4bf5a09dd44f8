"""Where the words of GRID sentences are in the sound: timings of one speaker, transferred to all others.

The name of a clip spells its sentence: ``bbaf2n`` is "bin blue at f two now". ``grid/align`` has the timings of the
words for one speaker. Each word is modelled by the means of Whisper's features in its parts; the best path through the
words of a sentence (Viterbi) gives its timings. For the speaker with known timings, half of the clips aligned by the
other half are right within 0.5 frames of 25 a second on average, and within 1.5 in 95 % of the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.clips import Clip
from training.whisper import WhisperEncoder

TIMINGS = "grid/align"
"""Folder of the timings in the data folder."""
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SENTENCE = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    dict(zip("z123456789", _DIGITS, strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
"""The words for each letter of a clip's name."""
ALIGN_RATE = 25_000
"""Units a second of GRID's timings."""
FEATURE_RATE = 50
PART = 2
"""Feature frames that a part of a word lasts on average."""
UNKNOWN_PARTS = 8
"""Parts of a word that no aligned clip contains."""
UNKNOWN_COST = 1.2
"""Cost of a frame in such a word, relative to the typical cost in a known one."""
SKIP_COST = 3.0
"""Cost of a part that is left out, in squared standard deviations."""
DIRECTIONS = 40
"""Directions, of those that tell parts of words apart best (linear discriminant analysis), that are compared."""
RIDGE = 0.01
SILENCE = "sil"
_SILENCES = {"sil", "sp"}


@dataclass(frozen=True)
class Word:
    """A word, and its start and stop in seconds."""

    text: str
    start: float
    stop: float


def sentence_of(clip: str) -> list[str]:
    """Return the words of a GRID clip by its file name; none if the name does not spell a sentence."""
    letters = Path(clip).stem.rpartition("_")[2]
    if len(letters) != len(SENTENCE) or any(
        letter not in words for letter, words in zip(letters, SENTENCE, strict=True)
    ):
        return []
    return [words[letter] for letter, words in zip(letters, SENTENCE, strict=True)]


def read_timings(path: Path) -> list[Word]:
    """Read a file of ``grid/align``."""
    rows = [line.split() for line in path.read_text("ascii").splitlines() if line.strip()]
    return [Word(word, int(start) / ALIGN_RATE, int(stop) / ALIGN_RATE) for start, stop, word in rows]


def align_words(clips: Sequence[Clip], timings: Path, encoder: WhisperEncoder) -> dict[str, list[Word]]:
    """Return the words of each clip whose name spells a sentence.

    Args:
        clips: GRID clips, those of the speaker with known timings among them.
        timings: The folder ``grid/align``.
        encoder: Computes the features.
    """
    features = {clip.name: encoder.encode(clip.samples).astype(np.float64) for clip in clips if sentence_of(clip.name)}
    files = {name: timings / f"{Path(name).stem.rpartition('_')[2]}.align" for name in features}
    known = {name: read_timings(path) for name, path in files.items() if name.startswith("s1_") and path.is_file()}
    found = dict(known)
    for _ in range(2):  # the second time with words that only the other speakers say
        models = WordModels([(features[name], words) for name, words in found.items()])
        others = [name for name in features if name not in known]
        found = known | {name: models.align(features[name], sentence_of(name)) for name in others}
    return found


class WordModels:
    """Means of features in the parts of words, learnt from clips with timings.

    Args:
        clips: Features (frames, 384) of each clip, and its words.
    """

    def __init__(self, clips: Sequence[tuple[npt.NDArray[np.float64], Sequence[Word]]]) -> None:
        self.center = np.concatenate([features for features, _ in clips]).mean(0)
        spoken: dict[str, list[npt.NDArray[np.float64]]] = {}
        for features, words in clips:
            for word in words:
                part = features[round(word.start * FEATURE_RATE) : round(word.stop * FEATURE_RATE)] - self.center
                if len(part):
                    spoken.setdefault(SILENCE if word.text in _SILENCES else word.text, []).append(part)
        self.parts = {
            word: 1 if word == SILENCE else max(2, round(float(np.mean([len(each) for each in examples])) / PART))
            for word, examples in spoken.items()
        }
        labels = [
            (word, int(index))
            for word, examples in spoken.items()
            for each in examples
            for index in (np.arange(len(each)) + 0.5) * self.parts[word] // len(each)
        ]
        self.index = {label: number for number, label in enumerate(sorted(set(labels)))}
        self._fit(np.concatenate([each for examples in spoken.values() for each in examples]), labels)

    def _fit(self, frames: npt.NDArray[np.float64], labels: Sequence[tuple[str, int]]) -> None:
        numbers = np.array([self.index[label] for label in labels])
        counts = np.bincount(numbers)
        means = np.stack([frames[numbers == number].mean(0) for number in range(len(counts))])
        around = frames - means[numbers]
        ridge = RIDGE * float((frames**2).mean()) * np.eye(frames.shape[1])
        values, vectors = np.linalg.eigh(around.T @ around / len(frames) + ridge)
        white = vectors / np.sqrt(values)
        between = (means * counts[:, None]).T @ means / len(frames)
        self.directions = (white @ np.linalg.eigh(white.T @ between @ white)[1])[:, : -DIRECTIONS - 1 : -1]
        self.means = means @ self.directions
        self.unknown = UNKNOWN_COST * float(np.median(((around @ self.directions) ** 2).sum(1)))

    def align(self, features: npt.NDArray[np.float64], words: Sequence[str]) -> list[Word]:
        """Return the timings of the words of a sentence, with silence before, after or between them."""
        states: list[tuple[str, int]] = []
        for word in words:
            states.append((SILENCE, 0))
            states += [(word, part) for part in range(self.parts.get(word, UNKNOWN_PARTS))]
        states.append((SILENCE, 0))
        owners = np.cumsum([state == (SILENCE, 0) for state in states]) - 1
        path = _best_path(self._costs(features, states), np.array([word == SILENCE for word, _ in states]))
        silent = np.array([states[state][0] == SILENCE for state in path])
        result = []
        for number, word in enumerate(words):
            frames = np.flatnonzero((owners[path] == number) & ~silent)
            result.append(Word(word, frames[0] / FEATURE_RATE, (frames[-1] + 1) / FEATURE_RATE))
        return result

    def _costs(self, features: npt.NDArray[np.float64], states: Sequence[tuple[str, int]]) -> npt.NDArray[np.float64]:
        """Return the cost (frames, states) of each state in each frame."""
        projected = (features - self.center) @ self.directions
        costs = np.full((len(features), len(states)), self.unknown)
        for column, state in enumerate(states):
            if state in self.index:
                costs[:, column] = ((projected - self.means[self.index[state]]) ** 2).sum(1)
        return costs


def _best_path(costs: npt.NDArray[np.float64], optional: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return the cheapest state of each frame: a path stays, advances, or leaves out one state (cost if not optional).

    It begins and ends in the first or last two states.
    """
    frames, count = costs.shape
    skipped = np.concatenate([[np.inf, np.inf], np.where(optional[1:-1], 0, SKIP_COST)])
    total = np.full(count, np.inf)
    total[:2] = costs[0, :2]
    steps = np.zeros((frames, count), np.intp)
    for frame in range(1, frames):
        shifted = [np.concatenate([np.full(step, np.inf), total[: count - step]]) for step in (0, 1, 2)]
        ways = np.stack([shifted[0], shifted[1], shifted[2] + skipped])
        steps[frame] = ways.argmin(0)
        total = ways.min(0) + costs[frame]
    path = [count - 2 + int(np.argmin(total[-2:]))]
    for frame in range(frames - 1, 0, -1):
        path.append(path[-1] - steps[frame, path[-1]])
    return np.array(path[::-1])
