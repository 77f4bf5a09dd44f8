"""Measure closures of synthesized sentences: ``python -m training.spoken_closures espeak``, or ``hibari``.

It is counted in how many p, b and m the lips close. The sentences are spoken by eSpeak NG, whose pseudo-words the
network of closures is trained on, or by hibari, which it never heard. Requires the extra ``train``, and for hibari its
package (:mod:`training.hibari_voice`).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Samples
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings
from heygem_cli.speech.motion import MotionModel
from training.bilabials import TOUCH
from training.evaluate import opening
from training.hibari_voice import HibariVoice
from training.spoken import BILABIALS, Phone, Synthesizer

RATES = (24, 25, 30, 60)
"""Frames a second."""
SENTENCES = {
    "en-us": (
        "The company published a map of the bombed harbour before the summer began.",
        "My brother bought a purple umbrella, but his puppy jumped on top of it.",
        "Maybe we could swim to the island and camp by the lake.",
        "It was a remarkable performance, and the audience applauded.",
        "Imagine a simple world where robots help families cook supper.",
    ),
    "en-gb-x-rp": (
        "The problem is that nobody remembers the number of my apartment.",
        "Please stop the tape and open the big wooden box from the museum.",
        "Sometimes I dream of empty beaches and warm rain.",
    ),
    "en-us+f3": (
        "She put the lamp on top of the piano and tapped her foot in tempo.",
        "Number five is a bit better than number one, but probably too expensive.",
    ),
    "de": (
        "Am Morgen bringt Papa immer den Blumentopf zum Bäcker.",
        "Meine Mama probiert im Sommer viele Pfannkuchen und Pilze aus dem Wald.",
    ),
    "fr": (
        "Le matin, ma mère prépare beaucoup de petits pains pour mon papa.",
        "Il pleut souvent en Bretagne, mais les parapluies sont jolis.",
    ),
    "es": (
        "Mi abuela compró un bonito sombrero para su amiga Pilar.",
        "Me parece que mañana habrá una gran tempestad.",
    ),
    "hi": ("मेरे पिता बाज़ार में मछली और पपीता बेचते हैं।",),
    "ar": ("ذهب أبي مع أمي إلى بيت محمد في المساء.",),
}
"""By the voice of eSpeak NG."""
TEXTS = (
    "I began as a photograph. Now heygem moves my lips to match this voice, on a plain computer.",
    "The company published a map of the bombed harbour before the summer began.",
    "My brother bought a purple umbrella, but his puppy jumped on top of it.",
    "Peter Piper picked a peck of pickled peppers.",
    "Maybe we could swim to the island and camp by the lake for a week.",
    "The problem is that nobody remembers the number of my apartment.",
    "Please stop the tape and open the big wooden box from the museum.",
    "Some people claim that tomatoes improve memory, but the evidence is weak.",
    "The president promised to reform the public hospitals by the middle of December.",
    "Imagine a simple world where robots help families cook supper every evening.",
    "Sometimes I dream of empty beaches, warm rain and the smell of burning campfires.",
    "Bring me the blue paper cup from the kitchen table before breakfast.",
    "It was a remarkable performance, and the audience applauded for several minutes.",
    "She put the lamp on top of the piano and tapped her foot in tempo.",
    "Number five is a bit better than number one, but probably too expensive.",
)
"""Of hibari; the first is that of ``examples/audio.wav``."""

Spoken = tuple[Samples, list[Phone]]


def say_with_espeak() -> list[Spoken]:
    """Return the sentences spoken by eSpeak NG."""
    synthesizer = Synthesizer()
    return [
        synthesizer.say(text, voice, 150 + 15 * number, 40 + 10 * number)
        for voice, texts in SENTENCES.items()
        for number, text in enumerate(texts)
    ]


def say_with_hibari() -> list[Spoken]:
    """Return the texts spoken by hibari, every other one slowly."""
    voice = HibariVoice()
    return [voice.say(text, 1.0 if number % 2 else 0.9, number) for number, text in enumerate(TEXTS)]


SYNTHESIZERS = {"espeak": say_with_espeak, "hibari": say_with_hibari}


def smallest_gaps(gaps: Array, phones: list[Phone], fps: int) -> Iterator[float]:
    """Yield the smallest opening within one frame of each bilabial.

    Args:
        gaps: (frames,) opening of the lips in inter-ocular distances.
        phones: What is spoken.
        fps: Frames a second.
    """
    for phone in phones:
        if phone.symbol.startswith(BILABIALS):
            first, last = int(np.floor(phone.start * fps)) - 1, int(np.ceil(phone.stop * fps)) + 1
            yield float(gaps[max(0, first) : last].min())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("synthesizer", choices=SYNTHESIZERS)
    spoken = SYNTHESIZERS[parser.parse_args(arguments).synthesizer]()
    settings = read_settings(os.environ)
    apply_settings(settings, os.environ)
    hide_native_output()
    model = MotionModel("cpu", settings)
    for fps in RATES:
        gaps = [
            gap
            for samples, phones in spoken
            for gap in smallest_gaps(opening(model.predict([samples], Fraction(fps)).offsets), phones, fps)
        ]
        print(f"{fps} frames a second: {np.mean(np.array(gaps) <= TOUCH):.0%} of {len(gaps)} close")


if __name__ == "__main__":
    main()
