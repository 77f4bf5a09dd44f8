"""Judge the training of the encoder on speakers who are held out: ``python -m training.held_out --data DIR``.

For each group of speakers in ``DIR/grid/train``, the networks are trained without that group, then further in several
ways (:mod:`training.joint`), and scored on it. Requires the extra ``train``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean

import numpy as np
import torch

from heygem_cli.face.geometry import Array, canonical_face
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.media.types import Samples
from heygem_cli.speech.silence import speech_gate, speech_levels
from training.augment import Example, Utterance, make_examples
from training.clips import Clip, by_speaker, load_clips
from training.evaluate import correlation_at, opening
from training.joint import JointTraining, encode_states, train_jointly
from training.measure import TRAIN, make_parser, start_command
from training.network import MouthNetwork, position_means, principal_components, train_network
from training.speech_model import SpeechModel
from training.train import make_utterances
from training.whisper import WhisperEncoder, load_encoder

GROUPS = (("s4", "sx1", "sx2"), ("s26", "sx3"), ("s31", "sx4", "sx5"))
"""Speakers who are held out together. The others are always part of the training: they have most of the clips."""
PASSES = 8
STEPS = 300
FURTHER_STEPS = 40
SEEDS = (1, 2)
VARIANTS = {
    "encoder as it is": JointTraining(0, 0, FURTHER_STEPS),
    "second layer, 1e-4": JointTraining(1, 1e-4, FURTHER_STEPS),
    "both layers, 3e-5": JointTraining(2, 3e-5, FURTHER_STEPS),
    "both layers, 1e-4": JointTraining(2, 1e-4, FURTHER_STEPS),
    "both layers, 3e-4": JointTraining(2, 3e-4, FURTHER_STEPS),
}

Groups = Mapping[tuple[str, ...], Sequence[Example]]


@torch.no_grad()
def score_speakers(model: SpeechModel, clips: Sequence[Clip]) -> dict[str, float]:
    """Return the mean correlation of the opening, at lag 0, of each speaker's clips of at most 12 s at 25 fps."""
    return {speaker: fmean(_score(model, clip) for clip in theirs) for speaker, theirs in by_speaker(clips)}


def _score(model: SpeechModel, clip: Clip) -> float:
    offsets = model(torch.from_numpy(clip.samples)[None])[0][0].numpy()
    predicted = opening(offsets * speech_gate(speech_levels(clip.samples))[:, None, None])
    return correlation_with(clip, predicted)


def correlation_with(clip: Clip, predicted: Array) -> float:
    """Return the correlation of the clip's opening with a predicted one (frames,) at lag 0."""
    frames = min(len(predicted), len(clip.landmarks))
    return correlation_at(predicted[:frames], clip.openings[:frames], 0)


def encode_groups(clips: Sequence[Clip], utterances: Sequence[Utterance], encode: Callable[[Samples], Array]) -> Groups:
    """Return the examples of each group of speakers, and of all others; none has speakers of two groups."""
    everyone = {clip.speaker for clip in clips}
    others = tuple(sorted(everyone.difference(*GROUPS)))
    return {
        group: list(make_examples(_of(group, clips, utterances), encode, PASSES, np.random.default_rng(number)))
        for number, group in enumerate((*GROUPS, others))
    }


def _of(group: Sequence[str], clips: Sequence[Clip], utterances: Sequence[Utterance]) -> list[Utterance]:
    return [utterance for clip, utterance in zip(clips, utterances, strict=True) if clip.speaker in group]


def start(encoder: WhisperEncoder, examples: Sequence[Example], seed: int) -> SpeechModel:
    """Return a model whose network is trained on the encoder as it is."""
    encoded = [_encoded(encoder, example) for example in examples]
    means = position_means(encoded)
    basis = principal_components(np.concatenate([each.offsets for each in examples]))
    return SpeechModel(encoder, [train_network(encoded, means, basis, STEPS, seed)], MouthNetwork(1), means, basis)


@torch.no_grad()
def _encoded(encoder: WhisperEncoder, example: Example) -> Example:
    """Return an example with the features of its states."""
    features = encoder.features(torch.from_numpy(example.features.astype(np.float32))[None])
    return replace(example, features=features[0].numpy().astype(np.float16))


def judge(clips: Sequence[Clip], groups: Groups, encoder: WhisperEncoder, seed: int) -> dict[str, dict[str, float]]:
    """Return the correlation for each speaker who was held out, by variant."""
    scores: dict[str, dict[str, float]] = {name: {} for name in VARIANTS}
    for held_out in GROUPS:
        examples = [example for group in groups if group != held_out for example in groups[group]]
        model = start(encoder, examples, seed)
        unseen = [clip for clip in clips if clip.speaker in held_out]
        for name, training in VARIANTS.items():
            scores[name] |= score_speakers(train_jointly(model, examples, training, seed), unseen)
    return scores


def main() -> None:
    """Run the command."""
    options, settings = start_command(make_parser(__doc__ or ""))
    torch.set_num_threads(settings.torch_threads)
    clips = load_clips(options.data / TRAIN, FaceTracker("cpu", settings), options.work / TRAIN)
    encoder = load_encoder()
    groups = encode_groups(clips, make_utterances(clips, canonical_face(), {}), partial(encode_states, encoder))
    for seed in SEEDS:
        for name, speakers in judge(clips, groups, encoder, seed).items():
            rows = " ".join(f"{speaker} {r:.3f}" for speaker, r in speakers.items())
            print(f"seed {seed}, {name}: mean {fmean(speakers.values()):.3f}; {rows}", flush=True)


if __name__ == "__main__":
    main()
