"""Measure closures of speakers who are held out: ``python -m training.held_out_closures --data DIR``.

For each group of speakers in ``DIR/grid/train``, the networks of the motion and of the closures are trained without it;
then it is counted in how many p, b and m of these speakers the lips close. Requires the extra ``train``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

import numpy as np
import torch

from heygem_cli.face.geometry import Array, canonical_face
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.speech.motion import press_lips
from heygem_cli.speech.silence import speech_gate, speech_levels
from training.augment import Example, make_examples
from training.bilabials import TOUCH, bilabial_times, find_closure
from training.clips import Clip, by_speaker, load_clips
from training.closing import train_closing
from training.evaluate import opening
from training.grid_words import TIMINGS, Word, align_words
from training.held_out import GROUPS, SEEDS, STEPS, Groups, correlation_with, encode_groups
from training.measure import TRAIN, make_parser, start_command
from training.network import position_means, principal_components, train_network
from training.speech_model import SpeechModel
from training.spoken import make_spoken
from training.train import CLOSING_STEPS, SPOKEN, SPOKEN_PASSES, make_utterances
from training.whisper import WhisperEncoder, load_encoder

Openings = dict[str, tuple[Array, Array]]
"""By clip, the opening of the mouth (frames,) by the network of the motion alone, and with that of the closures."""


def train_without(
    held_out: Sequence[str], groups: Groups, spoken: Sequence[Example], encoder: WhisperEncoder
) -> SpeechModel:
    """Return a model trained on all other groups of speakers."""
    examples = [example for group in groups if group != held_out for example in groups[group]]
    means = position_means(examples)
    basis = principal_components(np.concatenate([each.offsets for each in examples]))
    network = train_network(examples, means, basis, STEPS, SEEDS[0])
    closing = train_closing(examples, spoken, means, steps=CLOSING_STEPS, seed=SEEDS[0])
    return SpeechModel(encoder, [network], closing, means, basis).eval()


@torch.no_grad()
def predict_openings(model: SpeechModel, clips: Sequence[Clip]) -> Openings:
    """Return the openings in clips of at most 12 s at 25 fps."""
    openings = {}
    for clip in clips:
        offsets, closures = (output[0].numpy() for output in model(torch.from_numpy(clip.samples)[None]))
        gated = offsets * speech_gate(speech_levels(clip.samples))[:, None, None]
        openings[clip.name] = opening(gated), opening(press_lips(gated, closures))
    return openings


def gaps_at_closures(openings: Array, clip: Clip, words: Sequence[Word]) -> Iterator[float]:
    """Yield the smallest opening within one frame of each closure of the real lips for a bilabial.

    Args:
        openings: (frames,) predicted for the clip.
        clip: The clip.
        words: Its words.
    """
    real = clip.openings - np.percentile(clip.openings, 5)
    for time in bilabial_times(words):
        moment = find_closure(real, time)
        if moment is not None:
            yield float(openings[max(0, moment - 1) : moment + 2].min())


def report(openings: Openings, clips: Sequence[Clip], words: Mapping[str, Sequence[Word]]) -> None:
    """Print the share of the bilabials that close, and the correlation of each speaker's opening."""
    for number, name in enumerate(("motion alone", "with closures")):
        gaps = [
            gap
            for clip in clips
            if clip.name in words
            for gap in gaps_at_closures(openings[clip.name][number], clip, words[clip.name])
        ]
        correlations = " ".join(
            f"{speaker} {fmean(correlation_with(clip, openings[clip.name][number]) for clip in theirs):.3f}"
            for speaker, theirs in by_speaker(clips)
        )
        print(f"{name}: {np.mean(np.array(gaps) <= TOUCH):.0%} of {len(gaps)} close; r {correlations}")


def main() -> None:
    """Run the command."""
    options, settings = start_command(make_parser(__doc__ or ""))
    torch.set_num_threads(settings.torch_threads)
    clips = load_clips(options.data / TRAIN, FaceTracker("cpu", settings), options.work / TRAIN)
    encoder = load_encoder()
    words = align_words(clips, options.data / TIMINGS, encoder)
    utterances = make_utterances(clips, canonical_face(), words)
    groups = encode_groups(clips, utterances, encoder.encode)
    random = np.random.default_rng(1)
    synthesized = list(make_spoken(SPOKEN, utterances[0].offsets.shape[1], random))
    spoken = list(make_examples(synthesized, encoder.encode, SPOKEN_PASSES, random))
    openings: Openings = {}
    for held_out in GROUPS:
        unseen = [clip for clip in clips if clip.speaker in held_out]
        openings |= predict_openings(train_without(held_out, groups, spoken, encoder), unseen)
    report(openings, [clip for clip in clips if clip.name in openings], words)


if __name__ == "__main__":
    main()
