"""Measure in how many p, b and m of synthesized sentences the lips close: ``python -m training.spoken_closures``.

The sentences are spoken by eSpeak NG, whose pseudo-words the network of closures is trained on. Requires the extra
``train``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings
from heygem_cli.speech.motion import MotionModel
from training.bilabials import TOUCH
from training.evaluate import opening
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


def main() -> None:
    """Run the command."""
    settings = read_settings(os.environ)
    apply_settings(settings, os.environ)
    hide_native_output()
    model, synthesizer = MotionModel("cpu", settings), Synthesizer()
    spoken = [
        synthesizer.say(text, voice, 150 + 15 * number, 40 + 10 * number)
        for voice, texts in SENTENCES.items()
        for number, text in enumerate(texts)
    ]
    for fps in RATES:
        gaps = [
            gap
            for samples, phones in spoken
            for gap in smallest_gaps(opening(model.predict([samples], Fraction(fps)).offsets), phones, fps)
        ]
        print(f"{fps} frames a second: {np.mean(np.array(gaps) <= TOUCH):.0%} of {len(gaps)} close")


if __name__ == "__main__":
    main()
