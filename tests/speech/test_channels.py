"""The mouth follows what is heard, on whichever channels it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic_speech import babble

from heygem_cli.media.arguments import can_copy_audio
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_audio
from heygem_cli.media.types import AudioInfo, Samples
from heygem_cli.media.write import encode_video
from heygem_cli.options import EncodeOptions
from heygem_cli.speech.channels import Heard, listen, select
from media_factory import ffmpeg, make_image
from portrait import make_voice

SPEECH = 0.7 * babble(2, seed=1) * (np.arange(32000) % 16000 < 14000)
NOISE = np.asarray(np.random.default_rng(3).normal(0, 0.2, 32000), np.float32)
NOTHING = np.zeros(32000, np.float32)


def music() -> Samples:
    """Return steady chords that change every half second."""
    hertz = np.repeat([220, 262, 196, 330], 8000)
    return np.asarray(0.2 * sum(np.sin(2 * np.pi * k * np.cumsum(hertz) / 16000) for k in (1, 1.25, 1.5, 2)))


def write(path: Path, *channels: Samples, codec: str = "pcm_f32le", extra: tuple[str, ...] = ()) -> AudioInfo:
    """Write a file of these channels, at 16 kHz."""
    raw = path.with_suffix(".raw")
    np.stack(channels, axis=1).astype("<f4").tofile(raw)
    ffmpeg("-f", "f32le", "-ar", 16000, "-ac", len(channels), "-i", raw, "-c:a", codec, *extra, path)
    return probe_audio(path)


def samples_of(audio: AudioInfo) -> Samples:
    return np.concatenate(list(read_audio(audio)))


def write_still(output: Path, audio: AudioInfo, seconds: float) -> None:
    """Write a video of a small black picture with this audio."""
    picture = probe_video(make_image(output.with_name("picture.png"), size=(16, 16)))
    with encode_video(output, picture, audio, seconds=seconds, options=EncodeOptions(encoder="libx264")) as writer:
        for _ in range(round(25 * seconds)):
            writer.write(np.zeros((24, 16), np.uint8))


def likeness(samples: Samples, original: Samples) -> float:
    """Return the correlation of what is heard with the original, after the delay of an encoder."""
    common = min(len(samples), len(original))
    return float(np.corrcoef(samples[:common], original[:common])[0, 1])


def test_mono_and_ordinary_stereo_are_mixed_by_ffmpeg_as_ever(tmp_path: Path):
    mono = write(tmp_path / "mono.wav", SPEECH)
    stereo = write(tmp_path / "stereo.wav", SPEECH + 0.05 * NOISE, 0.5 * SPEECH)
    for audio in (mono, stereo):
        assert listen(audio) == audio
    assert np.array_equal(samples_of(mono), SPEECH)
    assert np.allclose(samples_of(stereo), (1.5 * SPEECH + 0.05 * NOISE) * 0.5**0.5, atol=1e-6)


def test_stereo_that_is_out_of_phase_is_heard(tmp_path: Path):
    audio = write(tmp_path / "a.wav", SPEECH, -SPEECH)
    assert not samples_of(audio).any()
    heard = listen(audio)
    assert np.allclose(samples_of(heard), SPEECH, atol=1e-4)
    assert heard.notes == ("channels of the audio are out of phase: where it is played in mono, little is heard",)
    assert not heard.downmix


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 7, 8, 9, 12, 16])
def test_speech_on_any_channel_is_heard_and_is_in_the_output(count: int, tmp_path: Path):
    for channel in range(count) if count in (2, 3, 6) else (0, count // 2, count - 1):
        audio = write(tmp_path / "a.wav", *(SPEECH if each == channel else NOTHING for each in range(count)))
        heard = listen(audio)
        assert np.allclose(samples_of(heard), SPEECH, atol=1e-4)
        write_still(tmp_path / "out.mp4", heard, 2)
        output = probe_audio(tmp_path / "out.mp4")
        ffmpeg("-i", tmp_path / "out.mp4", "-ac", 2, tmp_path / "played.wav")  # as a player with two loudspeakers
        assert likeness(samples_of(listen(probe_audio(tmp_path / "played.wav"))), SPEECH) > 0.9
        mixed = count > 8 or channel == audio.low_frequencies
        assert (output.channels, heard.downmix) == ((2, True) if mixed else (count, False))
        assert [note for note in heard.notes if "in stereo" in note] == list(heard.notes)
        assert bool(heard.notes) == mixed


@pytest.mark.parametrize("other", [2 * NOISE, music(), 3 * music()], ids=["noise", "music", "loud music"])
def test_quiet_speech_beside_loud_noise_or_music_is_followed(other: Samples, tmp_path: Path):
    heard = listen(write(tmp_path / "a.wav", other.clip(-1, 1), 0.05 * SPEECH))
    assert likeness(samples_of(heard), SPEECH) > 0.99
    (note,) = heard.notes
    assert note.startswith("the mouth follows channel 2, which is ")
    assert note.endswith(" dB softer than channel 1")


def test_speech_on_the_center_of_a_film_is_followed(tmp_path: Path):
    around = [0.5 * music() + 0.2 * NOISE for _ in range(5)]
    heard = listen(write(tmp_path / "a.wav", *around[:2], SPEECH, *around[2:]))
    assert likeness(samples_of(heard), SPEECH) > 0.99


def test_two_people_on_two_channels_are_both_heard(tmp_path: Path):
    other = 0.7 * babble(2, seed=2) * (np.arange(32000) % 16000 >= 8000)
    for channels in ((SPEECH, other), (NOTHING, SPEECH, NOTHING, other)):
        samples = samples_of(listen(write(tmp_path / "a.wav", *channels)))
        assert likeness(samples, SPEECH + other) > 0.99


def test_one_channel_out_of_phase_among_many_does_not_cancel(tmp_path: Path):
    heard = listen(write(tmp_path / "a.wav", SPEECH, NOTHING, -SPEECH, SPEECH, -SPEECH))
    assert likeness(samples_of(heard), SPEECH) > 0.99
    assert np.abs(samples_of(heard)).max() == pytest.approx(np.abs(SPEECH).max(), rel=0.05)


def test_invalid_samples_on_one_channel_do_not_matter(tmp_path: Path):
    broken = np.full(32000, np.nan, np.float32)
    heard = listen(write(tmp_path / "a.wav", broken, SPEECH, -1e30 * NOTHING))
    assert np.allclose(samples_of(heard), SPEECH, atol=1e-4)


def test_silence_is_reported(tmp_path: Path):
    (note,) = listen(write(tmp_path / "a.wav", NOTHING)).notes
    assert note == "the audio is silent, so the mouth stays closed"
    (note,) = listen(write(tmp_path / "a.wav", 0.01 * SPEECH, 0.01 * SPEECH)).notes
    assert note.startswith("the audio is nearly silent (-")
    assert listen(write(tmp_path / "a.wav", 0.05 * SPEECH)).notes == ()


@pytest.mark.parametrize("factor", [2**15, 2**31])
def test_samples_far_beyond_full_scale_are_reported(factor: int, tmp_path: Path):
    """Speech synthesis that writes whole numbers as floating-point samples."""
    for channels in ([SPEECH], [NOTHING, SPEECH]):
        (note,) = listen(write(tmp_path / "a.wav", *(factor * each for each in channels))).notes
        assert note.endswith("of the samples reach full scale, so the sound is distorted; scale them to -1 … 1")


@pytest.mark.parametrize(("factor", "codec"), [(1, "pcm_f32le"), (3, "pcm_f32le"), (3, "pcm_s16le")])
def test_peaks_beyond_full_scale_are_not_reported(factor: int, codec: str, tmp_path: Path):
    assert listen(write(tmp_path / "a.wav", factor / np.abs(SPEECH).max() * SPEECH, codec=codec)).notes == ()


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.wav", "pcm_s16le", 8000), ("a.wav", "pcm_s24le", 48000), ("a.wav", "pcm_s32le", 44100),
     ("a.wav", "pcm_f64le", 22050), ("a.wav", "pcm_s16le", 192000), ("a.wav", "pcm_alaw", 8000),
     ("a.wav", "pcm_mulaw", 8000), ("a.wav", "pcm_u8", 16000), ("a.aiff", "pcm_s16be", 44100),
     ("a.flac", "flac", 96000), ("a.w64", "pcm_s16le", 44100), ("a.au", "pcm_mulaw", 8000),
     ("a.wav", "adpcm_ms", 22050)],
)  # fmt: skip
def test_formats_are_heard_alike(name: str, codec: str, rate: int, tmp_path: Path):
    heard = listen(write(tmp_path / name, NOTHING, SPEECH, codec=codec, extra=("-ar", str(rate))))
    assert likeness(samples_of(heard), SPEECH) > (0.99 if codec != "adpcm_ms" else 0.95)


def test_copied_sound_is_encoded_where_it_has_to_be_mixed(tmp_path: Path):
    channels = [SPEECH if each == 3 else NOTHING for each in range(6)]
    audio = write(tmp_path / "a.m4a", *channels, codec="alac")
    assert can_copy_audio(audio)
    assert not can_copy_audio(listen(audio))


def test_speech_on_the_subwoofer_of_channels_without_names_is_played_in_stereo(tmp_path: Path):
    speech = write(tmp_path / "mono.wav", SPEECH).path
    ffmpeg("-i", speech, "-af", "pan=6C|c3=c0", tmp_path / "a.wav")  # its mask of channels is 0
    heard = listen(probe_audio(tmp_path / "a.wav"))
    assert heard.downmix
    assert likeness(samples_of(heard), SPEECH) > 0.99


def test_samples_are_checked_often(tmp_path: Path):
    calls: list[None] = []
    listen(probe_audio(make_voice(tmp_path / "long.wav", 60)), lambda: calls.append(None))
    assert len(calls) > 10


def test_sound_of_a_video_is_heard_from_the_start_of_the_file(tmp_path: Path):
    audio = write(tmp_path / "a.wav", SPEECH, -SPEECH)
    heard = samples_of(replace(listen(audio), delay=replace(audio).start + 1))
    assert not heard[:16000].any()
    assert np.allclose(heard[16000:], SPEECH, atol=1e-4)


@pytest.mark.parametrize("channels", [(1, 2), (2, 1), (2, 6), (6, 2)])
def test_number_of_channels_may_change_on_the_way(channels: tuple[int, int], tmp_path: Path):
    data = b""
    for count, hertz in zip(channels, (500, 1000), strict=True):
        ffmpeg("-f", "lavfi", "-i", f"sine=frequency={hertz}:duration=1:sample_rate=48000",
               "-af", f"pan={count}c|{'|'.join(f'c{each}=c0' for each in range(count))}", "-c:a", "aac",
               tmp_path / "part.aac")  # fmt: skip
        data += (tmp_path / "part.aac").read_bytes()
    (tmp_path / "both.aac").write_bytes(data)
    heard = replace(listen(probe_audio(tmp_path / "both.aac")), damaged=True)  # so that it is encoded
    seconds = len(samples_of(heard)) / 16000
    write_still(tmp_path / "out.mp4", heard, seconds)
    for audio in (heard, probe_audio(tmp_path / "out.mp4")):
        samples = samples_of(audio)
        assert len(samples) / 16000 == pytest.approx(2, abs=0.06)
        halves = [np.abs(np.fft.rfft(samples[start : start + 8000])) for start in (4000, 20000)]
        assert [2 * int(half.argmax()) for half in halves] == [500, 1000]


def test_channels_that_are_alike_are_treated_alike():
    nearly = Heard(np.array([-20.0, -20.0]), np.array([-32.1, -31.9]), np.eye(2), np.zeros(2))
    assert sorted(select(nearly)) == [0, 1]


def test_note_about_several_soft_channels(tmp_path: Path):
    (note,) = listen(write(tmp_path / "a.wav", 4 * NOISE.clip(-0.25, 0.25), 0.1 * SPEECH, 0.1 * SPEECH)).notes
    assert note.startswith("the mouth follows channels 2, 3, which are ")
