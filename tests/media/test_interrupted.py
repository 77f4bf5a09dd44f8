"""Tests of recordings that a crash, an empty battery or an incomplete copy cut off."""

import functools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heif_factory import write_heic
from heygem_cli.errors import InputError
from heygem_cli.media.interrupted import is_cut_off_picture, is_interrupted, is_unfinished_mp4
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_audio, read_frames
from media_factory import X264, ffmpeg, make_audio, make_video

AAC = ("-c:a", "aac")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus")
RECORDERS = {
    "fragmented.mp4": (*X264, *AAC, "-movflags", "frag_keyframe+empty_moov"),
    "fragmented.mov": (*X264, *AAC, "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
    "obs.flv": (*X264, *AAC),
    "obs.mkv": (*X264, *AAC),
    "browser.webm": (*VP8, "-live", "1"),  # as MediaRecorder: nothing in it has a known size
    "copied.webm": VP8,
    "obs.ts": (*X264, *AAC),
    "capture.avi": ("-c:v", "mjpeg", "-c:a", "pcm_s16le"),
    "camera.m2ts": (*X264, *AAC, "-mpegts_m2ts_mode", "1"),
    "camera.mpg": ("-c:v", "mpeg2video", "-q:v", "2", "-c:a", "mp2"),
    "windows.wmv": ("-c:v", "wmv2", "-q:v", "2", "-c:a", "wmav2"),
    "stream.rm": ("-c:v", "rv20", "-q:v", "2", "-c:a", "ac3"),
    "camera.mxf": ("-c:v", "mpeg2video", "-q:v", "2", "-c:a", "pcm_s16le", "-ar", "48000"),
}
NOTE = "the file breaks off, as after a crash or an incomplete copy; it was used up to there"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recordings")
    paths = {
        name: make_video(folder / name, seconds=2, codec=codec, audio=True, extra=("-g", "10"))
        for name, codec in RECORDERS.items()
    }
    data = bytearray(paths["capture.avi"].read_bytes())
    for end_of_size in (8, data.index(b"movi")):
        data[end_of_size - 4 : end_of_size] = bytes(4)  # as until the recording ends
    paths["capture.avi"].write_bytes(data)
    return paths


def cut(path: Path, share: float, folder: Path) -> Path:
    target = folder / path.name
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


@pytest.mark.parametrize("name", RECORDERS)
def test_whole_recording_has_no_note(name, recordings):
    assert probe_video(recordings[name]).notes == ()
    assert probe_audio(recordings[name]).notes == ()


@pytest.mark.parametrize("share", [0.41, 0.63, 0.89])
@pytest.mark.parametrize("name", RECORDERS)
def test_recording_that_breaks_off_is_used_up_to_there(name, share, recordings, tmp_path):
    path = cut(recordings[name], share, tmp_path)
    video, audio = probe_video(path), probe_audio(path)
    assert (video.notes, audio.notes) == ((NOTE,), (NOTE,))
    frames = sum(1 for _ in read_frames(video))
    assert abs(frames - 50 * share) < 8
    assert abs(frames - video.frames) <= 1
    seconds = sum(map(len, read_audio(audio))) / 16000
    assert seconds == pytest.approx(2 * share, abs=0.5)
    assert seconds == pytest.approx(audio.duration, abs=0.05)


@pytest.mark.parametrize("codec", ["libopus", "libvorbis", "flac"])
def test_sound_in_ogg(codec, tmp_path):
    whole = make_audio(tmp_path / "whole.ogg", seconds=4, extra=("-c:a", codec))
    assert probe_audio(whole).notes == ()
    assert probe_audio(cut(whole, 0.7, tmp_path / "..").rename(tmp_path / "cut.ogg")).notes == (NOTE,)
    with (tmp_path / "tagged.ogg").open("wb+") as file:
        file.write(whole.read_bytes() + b"TAG" + bytes(125))
        assert not is_interrupted(file)


@pytest.mark.parametrize(
    "name", ["sound.caf", "sound.w64", "sound.wma", "sound.flac", "sound.aiff", "sound.au", "sound.wv", "sound.mp3"]
)
def test_sound_that_breaks_off(name, tmp_path):
    whole = make_audio(tmp_path / name, seconds=4, extra=("-f", "asf") if name.endswith("wma") else ())
    assert probe_audio(whole).notes == ()
    (tmp_path / "cut").mkdir()
    audio = probe_audio(cut(whole, 0.7, tmp_path / "cut"))
    assert audio.notes == (NOTE,)
    assert audio.duration == pytest.approx(2.8, abs=0.3)


def test_cut_off_file_in_which_libav_looks_before_the_start(tmp_path):
    whole = make_video(tmp_path / "whole.nut", seconds=2)
    video = probe_video(cut(whole, 0.6, tmp_path / "..").rename(tmp_path / "cut.nut"))
    assert sum(1 for _ in read_frames(video)) == pytest.approx(30, abs=8)


@pytest.mark.parametrize(("name", "codec"), [("loop.gif", ("-c:v", "gif")), ("loop.png", ("-f", "apng"))])
def test_animation_that_breaks_off(name, codec, tmp_path):
    whole = make_video(tmp_path / name, codec=codec)
    assert probe_video(whole).notes == ()
    (tmp_path / "cut").mkdir()
    assert probe_video(cut(whole, 0.7, tmp_path / "cut")).notes == (NOTE,)


@pytest.mark.parametrize("name", ["sound.caf", "sound.w64", "loop.gif"])
def test_what_a_program_appended_is_not_missing(name, tmp_path):
    make = make_audio if name != "loop.gif" else functools.partial(make_video, codec=("-c:v", "gif"))
    path = make(tmp_path / name)
    path.write_bytes(path.read_bytes() + bytes(500))
    with path.open("rb") as file:
        assert not is_interrupted(file)


@pytest.mark.parametrize("name", ["obs.flv", "obs.mkv", "browser.webm"])
def test_zeros_that_a_crash_left_at_the_end_are_not_data(name, recordings, tmp_path):
    path = tmp_path / name
    path.write_bytes(recordings[name].read_bytes() + bytes(1 << 20))
    with path.open("rb") as file:
        assert is_interrupted(file)


@pytest.mark.parametrize("probe", [probe_video, probe_audio])
@pytest.mark.parametrize("name", ["movie.mp4", "movie.mov"])
def test_movie_whose_index_was_never_written_says_so(probe, name, tmp_path):
    path = cut(make_video(tmp_path / f"whole-{name}", audio=True, extra=AAC), 0.6, tmp_path)
    with pytest.raises(
        InputError, match=r"never finished, or this is not all of it.* Copy it again; .*untrunc"
    ) as caught:
        probe(path)
    assert caught.value.code == "cut-off-file"


def test_movie_with_its_index_in_front_is_an_incomplete_copy(tmp_path):
    whole = make_video(tmp_path / "whole.mp4", extra=("-movflags", "+faststart"))
    with pytest.raises(InputError, match="only 70% of it is there"):
        probe_video(cut(whole, 0.7, tmp_path / "..").rename(tmp_path / "cut.mp4"))


def test_sound_with_its_index_in_front_of_which_nothing_else_is_there_is_an_incomplete_copy(tmp_path):
    whole = make_audio(tmp_path / "whole.m4a", seconds=4, extra=("-movflags", "+faststart"))
    copied = tmp_path / "cut.m4a"
    copied.write_bytes(whole.read_bytes().partition(b"mdat")[0] + b"mdat")
    with pytest.raises(InputError) as caught:
        probe_audio(copied)
    assert caught.value.code == "cut-off-file"


@pytest.mark.parametrize("appended", [b"\r\n--", b"\r\n--boundary--\r\n", bytes(50)])
def test_photograph_to_which_something_was_appended_is_complete(appended, tmp_path):
    path = write_heic(tmp_path / "a.heic")
    path.write_bytes(path.read_bytes() + appended)
    assert probe_video(path).is_still


def test_other_files_are_not_taken_for_recordings(tmp_path):
    picture = tmp_path / "picture.avif"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x64", "-frames:v", 1, "-c:v", "libaom-av1", "-cpu-used", 8, picture)
    contents = {
        "text": b"hello\n" * 100,
        "bytes": bytes(range(256)) * 4,
        "short": b"\x1a\x45",
        "avif": picture.read_bytes(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with (tmp_path / name).open("rb") as file:
            assert (is_interrupted(file), is_unfinished_mp4(file)) == (False, False)


@given(
    st.sampled_from(
        [
            *(b"\0\0\0\x08moof", b"\x1a\x45\xdf\xa3", b"FLV\1", b"OggS", b"RIFF\0\0\0\0AVI ", b"G" * 400, b""),
            *(b"\x06\x0e\x2b\x34", b"\x89PNG\r\n\x1a\n", b"\0\0\1\xba", b"GIF89a", b"caff\0\1\0\0data"),
            *map(bytes.fromhex, ("3026b2758e66cf11", "726966662e91cf11a5d628db04c10000")),
        ]
    ),
    st.binary(max_size=200),
)
def test_any_bytes_are_handled(head, rest):
    with tempfile.TemporaryFile() as file:
        file.write(head + rest)
        is_interrupted(file)
        is_unfinished_mp4(file)
        is_cut_off_picture(file)
