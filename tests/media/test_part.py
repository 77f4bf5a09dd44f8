"""Parts of an audio and of a video: they begin and end where they should, whatever the file's own times."""

from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from heygem_cli.errors import InputError
from heygem_cli.media.part import cut_audio, cut_audios, cut_video, half_size
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import loop_frames, read_audio, read_frames
from heygem_cli.media.write import encode_video
from heygem_cli.options import EncodeOptions
from media_factory import ffmpeg, make_image, make_video

RATE = 16000


def click_at(seconds: float) -> str:
    """Return a source of silence, 3 s long, with a click."""
    return f"aevalsrc=if(between(t\\,{seconds}\\,{seconds}+0.01)\\,0.8\\,0):s=48000:d=3"


@pytest.fixture(scope="module")
def video(media):
    return make_video(media / "part.mp4", seconds=2)


@pytest.fixture(scope="module")
def delayed(media, video):
    """A file whose sound starts 0.5 s after its picture, and clicks at 2 s."""
    sound = media / "click.wav"
    ffmpeg("-f", "lavfi", "-i", click_at(1.5), sound)
    made = media / "delayed.mp4"
    ffmpeg("-i", video, "-itsoffset", "0.5", "-i", sound, "-map", "0:v", "-map", "1:a", "-c:v", "copy", made)
    return made


def samples_of(audio):
    with closing(read_audio(audio)) as chunks:
        return np.concatenate(list(chunks))


def click_in(samples: np.ndarray) -> float:
    """Return where the click is, in seconds."""
    return int(np.argmax(np.abs(samples) > 0.3)) / RATE


@pytest.mark.parametrize("name", ["click.wav", "click.mp3", "click.flac", "click.mkv"])
def test_part_of_a_sound_begins_and_ends_where_it_should(tmp_path, name):
    ffmpeg("-f", "lavfi", "-i", click_at(1.5), tmp_path / name)
    audio = cut_audio(probe_audio(tmp_path / name), 1.2, 0.7)
    samples = samples_of(audio)
    assert audio.duration == 0.7
    assert len(samples) / RATE == pytest.approx(0.7, abs=0.002)
    assert click_in(samples) == pytest.approx(0.3, abs=0.003)


@pytest.mark.parametrize("start", [0.2, 0.5, 1.9])
def test_delay_counts(delayed, start):
    audio = probe_audio(delayed)
    assert float(audio.delay) == pytest.approx(0.5, abs=0.03)  # an encoder's samples come before
    assert click_in(samples_of(cut_audio(audio, start, None))) == pytest.approx(2 - start, abs=0.003)


def test_timestamps_that_are_not_used_do_not_shift_the_part(tmp_path):
    ffmpeg("-f", "lavfi", "-i", click_at(1.5), tmp_path / "click.flac")
    audio = replace(probe_audio(tmp_path / "click.flac"), reliable_times=False)
    assert click_in(samples_of(cut_audio(audio, 1.0, None))) == pytest.approx(0.5, abs=0.003)


def test_output_has_the_sound_of_the_part(tmp_path, video, delayed):
    info, audio = probe_video(video), cut_audio(probe_audio(delayed), 1.7, 0.8)
    output = tmp_path / "out.mp4"
    with encode_video(output, info, audio, seconds=0.8, options=EncodeOptions(preset="ultrafast")) as writer:
        for _, frame in loop_frames(info, 20, "forward"):
            writer.write(frame)
    made = probe_audio(output)
    assert made.duration == pytest.approx(0.8, abs=0.05)
    assert click_in(samples_of(made)) == pytest.approx(0.3, abs=0.003)


@pytest.mark.parametrize("container", ["mp4", "avi"])  # with and without seeking
def test_part_of_a_video_has_the_frames_from_there_on(tmp_path, video, container):
    path = video
    if container != "mp4":
        path = tmp_path / f"part.{container}"
        ffmpeg("-i", video, "-c", "copy", path)
    whole = probe_video(path)
    part = cut_video(whole, 0.8)
    frames, expected = list(read_frames(part)), list(read_frames(whole))[20:]
    assert len(frames) == len(expected) == 30
    assert part.frames == pytest.approx(30, abs=1)  # of an AVI it is an estimate
    assert all((a == b).all() for a, b in zip(frames, expected, strict=True))
    looped = [frame for _, frame in loop_frames(part, 70, "pingpong")]
    assert (looped[58] == expected[0]).all()
    assert (looped[30] == expected[28]).all()


def test_half_size(video, media):
    small = half_size(probe_video(video))
    assert (small.width, small.height) == (80, 60)
    assert next(iter(read_frames(small, count=1))).shape == (90, 80)
    still = probe_video(make_image(media / "still.png"))
    assert next(iter(read_frames(half_size(still)))).shape == (90, 80)


def test_parts_without_content_are_errors(video, delayed, media):
    audio, info = probe_audio(delayed), probe_video(video)
    for start, duration in ((4, None), (0, 0.0), (99, 1), (0.1, 0.3)):
        with pytest.raises(InputError) as caught:
            cut_audio(audio, start, duration)
        assert caught.value.code == "empty-part"
    with pytest.raises(InputError, match=r"--face-start 2: the video is 2\.00 s long"):
        cut_video(info, 2)
    still = probe_video(make_image(media / "any time.png"))
    assert cut_video(still, 5) == still
    assert (cut_audio(audio, 0, None), cut_video(info, 0)) == (audio, info)


def test_less_than_a_frame_of_sound_after_the_silence_is_an_error(delayed):
    audio = probe_audio(delayed)
    with pytest.raises(InputError, match=r"--duration 0\.51: the sound begins at"):
        cut_audio(replace(audio, delay=Fraction(1, 2)), 0, 0.51, 0.04)
    assert cut_audio(replace(audio, delay=Fraction(1, 2)), 0, 0.55, 0.04).duration == 0.55


@pytest.mark.parametrize(
    ("start", "duration", "option"),
    [(0, 0.001, "--duration 0.001"), (1, 0.03, "--duration 0.03"), (2.99, None, "--start 2.99"), (2.99, 5, "--start")],
)
def test_part_shorter_than_a_frame_is_an_error(start, duration, option, media):
    ffmpeg("-f", "lavfi", "-i", click_at(1.5), media / "short part.wav")
    audio = probe_audio(media / "short part.wav")
    for cut in (cut_audio, lambda audio, *part: cut_audios([audio, audio], *part)):
        with pytest.raises(InputError, match=f"{option}.*: the part of the audio is shorter than a frame") as caught:
            cut(audio, start, duration, 0.04)
        assert caught.value.code == "empty-part"
    assert [part.is_silent for part in cut_audios([audio, replace(audio, duration=9.0)], 2.99, None, 0.04)] == [1, 0]


def test_part_of_an_audio_shorter_than_a_frame_may_be_all_of_it(delayed):
    audio = replace(probe_audio(delayed), duration=0.02, delay=Fraction(0))
    assert cut_audio(audio, 0, 5, 0.04).duration == 0.02
    with pytest.raises(InputError, match=r"--duration 0\.01: the part of the audio is shorter"):
        cut_audio(audio, 0, 0.01, 0.04)
