"""Files that were joined byte by byte, as by `cat a.ts b.ts`: all of it is used, or the summary says that it is not."""

from fractions import Fraction
from pathlib import Path

import pytest

from heygem_cli.media.joined import joined_notes
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import has_damaged_audio, read_audio, read_frames
from media_factory import X264, digest, make_audio, make_video

H264 = (*X264, "-bf", "2", "-c:a", "aac")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus")
MPEG = ("-c:v", "mpeg2video", "-q:v", "2", "-c:a", "mp2")
NOTE = "other files were appended to it byte by byte"


def join(*paths: Path) -> Path:
    target = paths[0].with_name(f"joined-{paths[0].name}")
    target.write_bytes(b"".join(path.read_bytes() for path in paths))
    return target


@pytest.mark.parametrize(
    ("name", "codec"), [("a.ts", H264), ("a.mkv", H264), ("a.webm", VP8), ("a.mpg", MPEG), ("a.m2ts", H264)]
)
def test_frames_of_the_second_recording_follow_the_first(name, codec, tmp_path):
    """Its times begin anew, so frames of both have the same ones: they were shown alternately, at twice the rate."""
    path = make_video(tmp_path / name, seconds=2, codec=codec, audio=True, extra=("-g", "10"))
    single = [digest(frame) for frame in read_frames(probe_video(path))]
    joined = join(path, path)
    video = probe_video(joined)
    assert (video.fps, video.frames, video.reliable_times) == (Fraction(25), 100, False)
    assert [digest(frame) for frame in read_frames(video)] == 2 * single
    assert sum(map(len, read_audio(probe_audio(joined)))) / 16000 == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize(("name", "codec"), [("a.ogg", "libvorbis"), ("a.opus", "libopus")])
def test_all_recordings_of_a_chained_ogg_are_heard(name, codec, tmp_path):
    paths = [
        make_audio(tmp_path / f"{number}-{name}", seconds=seconds, extra=("-c:a", codec))
        for number, seconds in enumerate((1.0, 0.5, 2.0))
    ]
    audio = probe_audio(join(*paths))
    assert audio.duration == pytest.approx(3.5, abs=0.1)
    assert sum(map(len, read_audio(audio))) / 16000 == pytest.approx(3.5, abs=0.1)
    assert not has_damaged_audio(audio)


@pytest.mark.parametrize(
    ("name", "codec", "noted"),
    [
        ("a.wav", "pcm_s16le", True),
        ("a.aiff", "pcm_s16be", True),
        ("a.m4a", "aac", True),
        ("a.w64", "pcm_s16le", True),
        ("a.caf", "pcm_s16be", True),
        ("a.tta", "tta", True),
        ("a.flv", "aac", True),
        ("a.mp3", "libmp3lame", False),
        ("a.aac", "aac", False),
    ],
)
def test_what_no_player_shows_is_noted(name, codec, noted, tmp_path):
    path = make_audio(tmp_path / name, seconds=1.0, extra=("-c:a", codec))
    assert probe_audio(path).notes == ()
    audio = probe_audio(join(path, path))
    assert [NOTE in note for note in audio.notes] == ([True] if noted else [])
    assert not noted or not has_damaged_audio(audio)
    assert audio.duration == pytest.approx(1 if noted else 2, abs=0.1)


def test_video_to_which_another_was_appended(tmp_path):
    path = make_video(tmp_path / "a.mp4", seconds=1)
    assert probe_video(path).notes == ()
    assert NOTE in probe_video(join(path, path)).notes[0]


@pytest.mark.parametrize(("name", "codec"), [("a.ts", H264), ("a.mkv", H264), ("a.webm", VP8), ("a.mpg", MPEG)])
@pytest.mark.parametrize("keys", ["10", "250"])
def test_short_recordings_of_several_lengths_follow_one_another(keys, name, codec, tmp_path):
    """Times that go back by less than frames may be reordered by are found, too."""
    paths = [
        make_video(tmp_path / f"{seconds}{name}", seconds=seconds, codec=codec, audio=True, extra=("-g", keys))
        for seconds in (1, 0.6)
    ]
    singles = [digest(frame) for path in paths for frame in read_frames(probe_video(path))]
    joined = join(*paths)
    video = probe_video(joined)
    assert (video.fps, video.frames, video.notes) == (Fraction(25), 40, ())
    assert [digest(frame) for frame in read_frames(video)] == singles
    assert sum(map(len, read_audio(probe_audio(joined)))) / 16000 == pytest.approx(1.6, abs=0.15)


@pytest.mark.parametrize("flags", ["", "+default_base_moof"])
def test_fragmented_mp4_to_which_another_was_appended(flags, tmp_path):
    extra = ("-movflags", f"frag_keyframe+empty_moov{flags}", "-g", "10")
    path = make_video(tmp_path / "a.mp4", seconds=1, codec=H264, audio=True, extra=extra)
    assert probe_video(path).notes == probe_audio(path).notes == ()
    short = make_video(tmp_path / "b.mp4", seconds=0.5, codec=H264, audio=True, extra=extra)
    joined = join(path, short)
    for found in (probe_video(joined), probe_audio(joined)):
        assert ["of which parts are lost" in note for note in found.notes] == [True]


def test_third_webm_which_ffmpeg_does_not_read_is_noted(tmp_path):
    path = make_video(tmp_path / "a.webm", seconds=1, codec=VP8, audio=True)
    assert probe_video(join(path, path)).notes == ()
    joined = join(path, path, path)
    for found in (probe_video(joined), probe_audio(joined)):
        assert ["the third and later ones are lost" in note for note in found.notes] == [True]


def test_long_avi_goes_on_in_further_chunks(tmp_path):
    path = make_video(tmp_path / "a.avi", seconds=1, codec=("-c:v", "mjpeg"))
    path.write_bytes(path.read_bytes() + b"RIFF\x04\0\0\0AVIX")
    assert not any(NOTE in note for note in probe_video(path).notes)


def test_box_whose_size_is_damaged_is_the_last(tmp_path):
    path = tmp_path / "damaged.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0\0\0\1mdat" + b"\xff" * 8 + bytes(100))
    assert joined_notes(path) == ()
