"""Train the mouth motion in ``models/`` on clips of people speaking: ``python -m training.train --data DIR``.

``DIR/grid/train`` and ``DIR/grid/dev`` hold clips of the GRID corpus at 25 fps, ``DIR/wild`` (optional) any other
clips; only ``grid/train`` is used for training, with the timings of words in ``DIR/grid/align``. Requires the extra
``train``; takes under 30 minutes on 2 cores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from heygem_cli.face.geometry import Array, canonical_face
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.onnx import models_folder
from heygem_cli.runtime import Settings
from heygem_cli.speech.motion import MODEL
from training.augment import Example, Utterance, make_examples
from training.bilabials import closures_of
from training.clips import Clip, by_speaker, lip_offsets, load_clips
from training.closing import train_closing
from training.evaluate import opening
from training.grid_words import TIMINGS, Word, align_words
from training.measure import SETS, TRAIN, make_parser, measure, start_command
from training.network import position_means, principal_components, train_network
from training.speech_model import SpeechModel, export
from training.spoken import make_spoken
from training.whisper import WhisperEncoder, load_encoder

FPS = 25
PASSES = 24
"""Variations of each clip."""
CLOSING_PASSES = 8
"""Those that the network of the closures is trained on."""
SPOKEN = 180
"""Synthesized utterances."""
SPOKEN_PASSES = 2
STEPS = 600
CLOSING_STEPS = 300
SEEDS = (1, 2, 3, 4)


def make_utterances(clips: Sequence[Clip], canonical: Array, words: Mapping[str, Sequence[Word]]) -> list[Utterance]:
    """Return the training data of each clip.

    A speaker's weight is the square root of the number of their clips. Some people open the mouth twice as wide as
    others, which the sound does not reveal: the motion of every speaker is scaled to the same range.

    Args:
        clips: Clips at 25 fps.
        canonical: The canonical face.
        words: Their words, where they are known.
    """
    for clip in clips:
        assert clip.fps == FPS, f"{clip.name} has {clip.fps} fps, the recipe needs {FPS}"
    offsets = {clip.name: lip_offsets(clip.landmarks, canonical) for clip in clips}
    counts = Counter(clip.speaker for clip in clips)
    ranges = {
        speaker: float(np.mean([np.percentile(opening(offsets[clip.name]), 90) for clip in speaker_clips]))
        for speaker, speaker_clips in by_speaker(clips)
    }
    typical = float(np.exp(np.mean(np.log(list(ranges.values())))))
    return [
        Utterance(
            clip.samples,
            offsets[clip.name].reshape(len(clip.landmarks), -1) * np.float32(typical / ranges[clip.speaker]),
            closures_of(clip.openings, words, clip.name),
            counts[clip.speaker] ** -0.5,
        )
        for clip in clips
    ]


def train_motion(utterances: Sequence[Utterance], encoder: WhisperEncoder, path: Path) -> None:
    """Train the networks and export their mean, with the encoder."""
    basis = principal_components(np.concatenate([utterance.offsets for utterance in utterances]))
    random = np.random.default_rng(0)
    first: list[Example] = list(make_examples(utterances, encoder.encode, CLOSING_PASSES, random))
    examples = [*first, *make_examples(utterances, encoder.encode, PASSES - CLOSING_PASSES, random)]
    random = np.random.default_rng(1)
    synthesized = list(make_spoken(SPOKEN, basis.shape[1], random))
    spoken = list(make_examples(synthesized, encoder.encode, SPOKEN_PASSES, random))
    means = position_means(examples)
    networks = [train_network(examples, means, basis, STEPS, seed) for seed in SEEDS]
    closing = train_closing(first, spoken, means, steps=CLOSING_STEPS, seed=SEEDS[0])
    export(SpeechModel(encoder, networks, closing, means, basis), path)


def make_models(data: Path, work: Path, models: Path, settings: Settings) -> None:
    """Track the clips, train, export, score and write the cards.

    Args:
        data: Folder of the clips, see above.
        work: Folder for cached tracks.
        models: Folder to write to, from which the program reads its models.
        settings: See :mod:`heygem_cli.runtime`.
    """
    tracker = FaceTracker("cpu", settings)
    present = [name for name in (TRAIN, *SETS) if (data / name).is_dir()]
    sets = {name: load_clips(data / name, tracker, work / name) for name in present}
    print("tracked", {name: len(clips) for name, clips in sets.items()}, flush=True)
    training_clips = sets.pop(TRAIN)
    encoder = load_encoder()
    words = align_words(training_clips, data / TIMINGS, encoder)
    train_motion(make_utterances(training_clips, canonical_face(), words), encoder, models / MODEL)
    print("trained", models / MODEL, flush=True)
    measure(sets, models, settings)


def main() -> None:
    """Run the command."""
    options, settings = start_command(make_parser(__doc__ or ""))
    torch.set_num_threads(settings.torch_threads)
    make_models(options.data, options.work, models_folder(), settings)


if __name__ == "__main__":
    main()
