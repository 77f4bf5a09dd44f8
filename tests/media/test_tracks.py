"""Choose audio and video tracks as players do, or as the user asks."""

from pathlib import Path

import numpy as np
import pytest

from heygem_cli.errors import InputError
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import has_damaged_audio, read_audio, read_frames
from heygem_cli.media.types import AudioInfo
from media_factory import X264, ffmpeg, make_image

TONES = {1: 500, 2: 1000, 3: 2000}
"""Hertz of the sound in each audio track."""


def make_tracks(path: Path, *dispositions: object, audio: tuple[str, ...] = ("-c:a", "aac")) -> Path:
    """Write a file with three audio tracks of different pitch and two video tracks of different size."""
    tones = [part for hertz in TONES.values() for part in ("-f", "lavfi", "-i", f"sine=frequency={hertz}:duration=1")]
    ffmpeg(
        *tones, "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=1",
        "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1",
        *(part for stream in range(5) for part in ("-map", stream)), *X264, *audio,
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra", "-metadata:s:a:1", "title=Doublage",
        *dispositions, f"file:{path}",
    )  # fmt: skip
    return path


def pitch(audio: AudioInfo) -> int:
    """Return the strongest frequency of the sound in hertz."""
    samples = np.concatenate(list(read_audio(audio)))
    return round(float(np.argmax(np.abs(np.fft.rfft(samples))) * 16000 / len(samples)), -1)


DEFAULTS = (
    "-disposition:a:0",
    "0",
    "-disposition:a:1",
    "default",
    "-disposition:v:0",
    "0",
    "-disposition:v:1",
    "default",
)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_default_tracks_are_used(name: str, tmp_path: Path):
    path = make_tracks(tmp_path / name, *DEFAULTS)
    audio, video = probe_audio(path), probe_video(path)
    assert (pitch(audio), audio.stream) == (TONES[2], 1)
    assert (video.width, next(read_frames(video)).shape, video.stream.specifier) == (96, (96, 96), "v:1")
    assert not has_damaged_audio(audio)


def test_note_says_which_track_is_used(tmp_path: Path):
    path = make_tracks(tmp_path / "a.mkv", *DEFAULTS)
    assert probe_audio(path).notes == (
        "it has 3 audio tracks; the audio is track 2 (fra, Doublage, aac, 1 channel), --audio-track chooses another",
    )
    assert probe_video(path).notes == (
        "it has 2 video tracks; the video is track 2 (h264, 96×64), --video-track chooses another",
    )


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_first_tracks_are_used_where_none_is_the_default(name: str, tmp_path: Path):
    path = make_tracks(tmp_path / name, "-disposition:a", "0", "-disposition:v", "0")
    assert pitch(probe_audio(path)) == TONES[1]
    assert probe_video(path).width == 160


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_tracks_by_number(name: str, tmp_path: Path):
    path = make_tracks(tmp_path / name, *DEFAULTS)
    for number, hertz in TONES.items():
        audio = probe_audio(path, number)
        assert (pitch(audio), audio.notes) == (hertz, ())
    assert [next(read_frames(probe_video(path, number))).shape[1] for number in (1, 2)] == [160, 96]


def test_number_that_does_not_exist_is_an_error_that_lists_the_tracks(tmp_path: Path):
    path = make_tracks(tmp_path / "a.mkv")
    with pytest.raises(InputError) as caught:
        probe_audio(path, 4)
    assert str(caught.value) == (
        f"{path}: it has no audio track 4; it has 1: eng, aac, 1 channel; 2: fra, Doublage, aac, 1 channel; "
        "3: aac, 1 channel. Use --audio-track with one of these numbers"
    )
    with pytest.raises(InputError, match=r"no video track 3; it has 1: h264, 160×120; 2: h264, 96×64\. Use --video-t"):
        probe_video(path, 3)
    assert (caught.value.code, caught.value.exit_code) == ("no-such-track", 2)


def test_audio_for_the_visually_impaired_is_used_only_where_it_is_the_default(tmp_path: Path):
    described = make_tracks(tmp_path / "a.mkv", "-disposition:a:0", "visual_impaired", "-disposition:a:1", "0")
    assert probe_audio(described).stream == 1
    described = make_tracks(tmp_path / "b.mkv", "-disposition:a:0", "visual_impaired+default")
    assert probe_audio(described).stream == 0


def test_attached_picture_before_the_video_is_not_counted(clip: Path, tmp_path: Path):
    picture, path = make_image(tmp_path / "cover.png", size=(64, 64)), tmp_path / "a.mp4"
    ffmpeg("-i", picture, "-i", clip, "-map", 0, "-map", 1, "-c", "copy", "-disposition:v:0", "attached_pic", path)
    for number in (None, 1):
        found = probe_video(path, number)
        assert (found.codec, found.width, next(read_frames(found)).shape, found.notes) == ("h264", 160, (180, 160), ())
    with pytest.raises(InputError, match="no video track 2"):
        probe_video(path, 2)


def test_empty_track_that_is_the_default_is_an_error_that_names_the_option(clip: Path, tmp_path: Path):
    path = tmp_path / "a.mkv"
    ffmpeg("-i", clip, "-f", "lavfi", "-i", "sine=duration=1,atrim=end=0", "-map", 0, "-map", 1, "-c:v", "copy",
           "-disposition:a:0", 0, "-disposition:a:1", "default", path)  # fmt: skip
    with pytest.raises(InputError, match="It has other audio tracks: choose one with --audio-track") as caught:
        probe_audio(path)
    assert caught.value.code == "no-samples"
    assert probe_audio(path, 1).duration == pytest.approx(1, abs=0.05)
