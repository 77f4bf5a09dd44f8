"""Make everything in ``models/`` from clips of people speaking: ``python -m training.train --data DIR``.

``DIR/grid/train`` and ``DIR/grid/dev`` hold clips of the GRID corpus at 25 fps, ``DIR/wild`` (optional) any clips; only
``grid/train`` is learned from. Needs the extra ``train``; takes under 30 minutes on 2 cores.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from heygem_cli.face.geometry import Array
from heygem_cli.face.tracker import MediaPipeTracker
from heygem_cli.onnx import models_folder
from heygem_cli.runtime import Settings, apply_settings, hide_native_output, read_settings
from heygem_cli.speech.encoder import SpeechEncoder, find_whisper
from heygem_cli.speech.motion import MODEL
from training.augment import Example, Utterance, make_examples
from training.canonical_face import write_canonical_face
from training.clips import Clip, by_speaker, lip_offsets, load_clips
from training.evaluate import opening
from training.measure import SETS, make_parser, measure
from training.network import export, place_means, principal_components, train_network

TRAIN = "grid/train"
FPS = 25
PASSES = 24
STEPS = 600
SEEDS = (1, 2, 3, 4)


def utterances(clips: Sequence[Clip], canonical: Array) -> list[Utterance]:
    """What is learned from each clip.

    A speaker counts as the square root of the number of clips. Some people open the mouth twice as wide as others, and
    no sound tells: every speaker's motion is brought to the same range.
    """
    for clip in clips:
        assert clip.fps == FPS, f"{clip.name} has {clip.fps} frames a second, the recipe is for {FPS}"
    offsets = {clip.name: lip_offsets(clip.landmarks, canonical) for clip in clips}
    counts = Counter(clip.speaker for clip in clips)
    ranges = {
        speaker: float(np.mean([np.percentile(opening(offsets[clip.name]), 90) for clip in spoken]))
        for speaker, spoken in by_speaker(clips)
    }
    usual = float(np.exp(np.mean(np.log(list(ranges.values())))))
    return [
        Utterance(
            clip.samples,
            offsets[clip.name].reshape(len(clip.landmarks), -1) * np.float32(usual / ranges[clip.speaker]),
            counts[clip.speaker] ** -0.5,
        )
        for clip in clips
    ]


def learn(spoken: Sequence[Utterance], encoder: SpeechEncoder, path: Path) -> None:
    """Train the networks and write their mean."""
    basis = principal_components(np.concatenate([part.offsets for part in spoken]))
    examples: list[Example] = list(make_examples(spoken, encoder.encode, PASSES, np.random.default_rng(0)))
    place = place_means(examples)
    networks = [train_network(examples, place, basis, STEPS, seed) for seed in SEEDS]
    export(networks, place, basis, path)


def make_models(data: Path, work: Path, models: Path, settings: Settings) -> None:
    """Track, learn, export, measure, write the cards.

    Args:
        data: folder of the clips, see above.
        work: folder for tracks.
        models: folder to write to; the program reads its models from there.
        settings: of the process.
    """
    tracker = MediaPipeTracker()
    present = [name for name in (TRAIN, *SETS) if (data / name).is_dir()]
    sets = {name: load_clips(data / name, tracker, work / name) for name in present}
    print("tracked", {name: len(clips) for name, clips in sets.items()}, flush=True)
    learned = sets.pop(TRAIN)
    canonical = write_canonical_face(learned, models / "canonical_face.npy")
    learn(utterances(learned, canonical), SpeechEncoder(find_whisper(os.environ), settings), models / MODEL)
    print("trained", models / MODEL, flush=True)
    measure(sets, models, settings)


def main() -> None:
    """Read the command line and make the models."""
    options = make_parser(__doc__ or "").parse_args()
    settings = read_settings(os.environ)
    apply_settings(settings, os.environ)
    torch.set_num_threads(settings.torch_threads)
    hide_native_output()
    make_models(options.data, options.work, models_folder(), settings)


if __name__ == "__main__":
    main()
