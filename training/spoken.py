"""Synthesized speech that teaches when the lips close: pseudo-words, spoken by eSpeak NG with the timing of each phone.

GRID's sentences have bilabials in eight words only, all at their beginning or end. Here p, b and m occur in all
contexts, in voices of several languages. Nothing but the closures is learnt from it: it has no picture.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import librosa
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Samples
from heygem_cli.speech.windows import SAMPLE_RATE, SAMPLES_PER_FRAME
from training.augment import Random, Utterance

LANGUAGES = ("en", "en-us", "en-gb-x-rp", "de", "fr", "es", "it", "pl", "sv", "pt")
VARIANTS = ("", "+m3", "+f2", "+f4", "+m7", "+croak")
BILABIALS = ("p", "b", "m")
ONSETS = ("p", "b", "m", *"tdkgfvsznlrwh", "sh", "ch", "th", "st", "pl", "br", "mp")
ONSET_WEIGHTS = (2.5, 2.5, 2.5, *16 * (1.0,), *4 * (0.6,))
VOWELS = (*"aeiou", "ai", "ee", "oo")
CODAS = "nmtspbkl"

# espeak-ng/speak_lib.h
_SYNCHRONOUS, _PHONEME_EVENTS, _IPA = 2, 1, 2
_UTF8 = 1
_RATE, _PITCH = 1, 3
_END, _PHONEME = 0, 7


@dataclass(frozen=True)
class Phone:
    """A phone in the alphabet of the IPA, and its start and stop in seconds."""

    symbol: str
    start: float
    stop: float


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Synthesizer:
    """eSpeak NG; a process has one."""

    def __init__(self) -> None:
        import espeakng_loader  # noqa: PLC0415 - not needed to measure or to build the model

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._blocks: list[Array] = []
        self._starts: list[tuple[str, float]] = []
        self._callback = _Callback(self._receive)
        data = espeakng_loader.get_data_path().encode()
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEME_EVENTS | _IPA))
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if samples and count:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / 2**15)
        index = 0
        while events[index].type != _END:
            event = events[index]
            if event.type == _PHONEME:
                self._starts.append((event.id.string.decode("utf-8", "ignore"), event.audio_position / 1000))
            index += 1
        return 0

    def say(self, text: str, voice: str, words_per_minute: int, pitch: int) -> tuple[Samples, list[Phone]]:
        """Return speech at 16 kHz and its phones.

        Raises:
            ValueError: There is no such voice.
        """
        self._blocks, self._starts = [], []
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"eSpeak NG has no voice {voice}")
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        content = text.encode() + b"\0"
        self._library.espeak_Synth(content, ctypes.c_size_t(len(content)), 0, 0, 0, _UTF8, None, None)
        spoken = np.concatenate(self._blocks)
        stops = [start for _, start in self._starts[1:]] + [len(spoken) / self.rate]
        phones = [Phone(symbol, start, stop) for (symbol, start), stop in zip(self._starts, stops, strict=True)]
        return np.asarray(librosa.resample(spoken, orig_sr=self.rate, target_sr=SAMPLE_RATE), np.float32), phones


def make_spoken(count: int, width: int, random: Random) -> Iterator[Utterance]:
    """Yield utterances of pseudo-words with their closures; their offsets (frames, width) are 0 and mean nothing."""
    synthesizer = Synthesizer()
    voices = [language + variant for language in LANGUAGES for variant in VARIANTS]
    for number in range(count):
        speed, pitch = int(random.integers(120, 220)), int(random.integers(20, 80))
        samples, phones = synthesizer.say(pseudo_words(random), voices[number % len(voices)], speed, pitch)
        frames = -(-len(samples) // SAMPLES_PER_FRAME)
        padded = np.pad(samples, (0, frames * SAMPLES_PER_FRAME - len(samples)))
        yield Utterance(padded, np.zeros((frames, width), np.float32), closed_frames(phones, frames), 1.0)


def pseudo_words(random: Random) -> str:
    """Return five to nine words of one to three syllables, in which p, b and m are frequent."""
    weights = np.array(ONSET_WEIGHTS) / sum(ONSET_WEIGHTS)
    words = []
    for _ in range(int(random.integers(5, 10))):
        syllables = int(random.integers(1, 4))
        word = "".join(random.choice(ONSETS, p=weights) + random.choice(VOWELS) for _ in range(syllables))
        coda = random.choice(list(CODAS)) if random.random() < 0.4 else ""
        words.append(word + coda + ("," if random.random() < 0.15 else ""))
    return " ".join(words) + "."


def closed_frames(phones: Sequence[Phone], frames: int) -> Array:
    """Return 1 for each motion frame (frames,) in which a bilabial is spoken, at least one for each; otherwise 0."""
    closed = np.zeros(frames, np.float32)
    rate = SAMPLE_RATE / SAMPLES_PER_FRAME
    for phone in phones:
        if phone.symbol.startswith(BILABIALS):
            first, last = round(phone.start * rate), round(phone.stop * rate)
            middle = int((phone.start + phone.stop) / 2 * rate)
            closed[first:last] = 1
            closed[middle : middle + 1] = 1
    return closed
