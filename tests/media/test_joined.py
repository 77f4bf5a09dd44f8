"""Files that were joined byte by byte, as by `cat a.ts b.ts`: all of it is used, or the summary says that it is not.

Where parts of several would be used, or in a wrong order, it is an error.
"""

import struct
from fractions import Fraction
from pathlib import Path

import pytest

from heygem_cli.errors import InputError
from heygem_cli.media.joined import joined_notes
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import has_damaged_audio, read_audio, read_frames
from media_factory import X264, digest, ffmpeg, make_audio, make_video

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


@pytest.mark.parametrize(("name", "codec"), [("a.ogg", "libvorbis"), ("a.opus", "libopus"), ("a.oga", "flac")])
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
        ("a.wma", "wmav2", True),
        ("a.mp3", "libmp3lame", False),
        ("a.aac", "aac", False),
        ("a.ac3", "ac3", False),
        ("a.flac", "flac", False),
    ],
)
def test_what_no_player_shows_is_noted(name, codec, noted, tmp_path):
    path = make_audio(tmp_path / name, seconds=1.0, extra=("-c:a", codec))
    assert probe_audio(path).notes == ()
    audio = probe_audio(join(path, path))
    assert [NOTE in note for note in audio.notes] == ([True] if noted else [])
    assert not noted or not has_damaged_audio(audio)
    assert audio.duration == pytest.approx(1 if noted else 2, abs=0.1)


def test_wavpack_to_which_another_was_appended(tmp_path):
    path = make_audio(tmp_path / "a.wv", seconds=1.0, extra=("-c:a", "wavpack"))
    assert probe_audio(path).notes == ()
    audio = probe_audio(join(path, path))
    assert [NOTE in note for note in audio.notes] == [True]
    assert audio.duration == pytest.approx(1, abs=0.1)


def test_wavpack_that_ends_with_a_block_without_samples(tmp_path):
    path = make_audio(tmp_path / "a.wv", seconds=1.0, extra=("-c:a", "wavpack"))
    blocks, tags = path.read_bytes().split(b"APETAGEX", 1)
    path.write_bytes(blocks + b"wvpk" + struct.pack("<I24x", 24) + b"APETAGEX" + tags)
    assert joined_notes(path) == ()


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


FRAGMENTED = "frag_keyframe+empty_moov"
BASED = FRAGMENTED + "+default_base_moof"


def fragmented(
    path: Path, flags: str, *, seconds: float = 1, size: tuple[int, int] = (160, 120), begin: int = 0
) -> Path:
    extra = ("-movflags", flags, "-g", "10", "-output_ts_offset", str(begin))
    return make_video(path, seconds=seconds, size=size, codec=H264, audio=True, extra=extra)


def boxes(path: Path) -> list[tuple[bytes, bytes]]:
    data, found = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append((data[4:8], data[:size]))
        data = data[size:]
    return found


def header(path: Path) -> bytes:
    return b"".join(box for kind, box in boxes(path) if kind in (b"ftyp", b"moov"))


def fragments(path: Path) -> bytes:
    return b"".join(box for kind, box in boxes(path) if kind in (b"moof", b"mdat"))


def assert_is_refused(path: Path) -> None:
    for probe in (probe_video, probe_audio):
        with pytest.raises(InputError) as caught:
            probe(path)
        assert (caught.value.code, caught.value.path) == ("joined-files", path)


@pytest.mark.parametrize(
    "flags",
    [FRAGMENTED, BASED, BASED + "+skip_trailer", BASED + "+global_sidx", "dash", "cmaf", "frag_keyframe+delay_moov"],
)
def test_joined_fragmented_mp4_is_an_error(flags, tmp_path):
    """Of some ffmpeg loses parts of both recordings, of others it shows frames of the first in the wrong order."""
    path, short = (fragmented(tmp_path / f"{seconds}.mp4", flags, seconds=seconds) for seconds in (1, 0.5))
    assert probe_video(path).notes == probe_audio(path).notes == ()
    assert_is_refused(join(path, short))


def test_fragments_that_begin_anew_without_a_header_are_an_error(tmp_path):
    path = fragmented(tmp_path / "a.mp4", BASED)
    joined = tmp_path / "b.mp4"
    joined.write_bytes(header(path) + 2 * fragments(path))
    assert_is_refused(joined)


@pytest.mark.parametrize("flags", [BASED, "dash", "cmaf"])
def test_header_that_is_repeated_is_no_second_recording(flags, tmp_path):
    path = fragmented(tmp_path / "a.mp4", flags, seconds=2)
    single = [digest(frame) for frame in read_frames(probe_video(path))]
    parts = boxes(path)
    middle = max(number for number, (kind, _) in enumerate(parts) if kind == b"moof") - 2
    while parts[middle - 1][0] == b"sidx":
        middle -= 1
    first, second = (b"".join(box for _, box in half) for half in (parts[:middle], parts[middle:]))
    repeated = tmp_path / "b.mp4"
    repeated.write_bytes(first + header(path) + second)
    video = probe_video(repeated)
    assert (video.notes, probe_audio(repeated).notes) == ((), ())
    assert [digest(frame) for frame in read_frames(video)] == single


@pytest.mark.parametrize(("flags", "size"), [(BASED, (192, 128)), (FRAGMENTED, (160, 120))])
def test_header_of_another_size_and_places_of_another_file_are_errors(flags, size, tmp_path):
    """The times go on, but ffmpeg keeps the first header, and reads absolute places in the first recording."""
    first = fragmented(tmp_path / "a.mp4", flags)
    second = fragmented(tmp_path / "b.mp4", flags, size=size, begin=2)
    joined = tmp_path / "c.mp4"
    joined.write_bytes(b"".join(header(path) + fragments(path) for path in (first, second)))
    assert_is_refused(joined)


def test_whole_and_fragmented_mp4(tmp_path):
    whole = make_video(tmp_path / "whole.mp4", seconds=1, codec=H264, audio=True)
    pieces = fragmented(tmp_path / "pieces.mp4", BASED)
    assert_is_refused(join(whole, pieces))
    assert NOTE in probe_video(join(pieces, whole)).notes[0]


LIVE = ("-live", "1")


@pytest.mark.parametrize(
    ("kinds", "used"),
    [
        ("s", True),
        ("ss", True),
        ("sl", True),
        ("ls", False),
        ("sss", False),
        ("lll", True),
        ("ssl", True),
        ("lls", False),
    ],
)
def test_joined_webm_of_which_ffmpeg_loses_recordings_is_an_error(kinds, used, tmp_path):
    """It depends on which of them have a size, and which (as those of browsers) have none."""
    paths = [
        make_video(tmp_path / f"{number}.webm", seconds=0.4, codec=VP8, audio=True, extra=LIVE if kind == "l" else ())
        for number, kind in enumerate(kinds)
    ]
    joined = join(*paths)
    if not used:
        assert_is_refused(joined)
        return
    assert sum(1 for _ in read_frames(probe_video(joined))) == 10 * len(kinds)
    audio = probe_audio(joined)
    assert sum(map(len, read_audio(audio))) / 16000 == pytest.approx(0.4 * len(kinds), abs=0.1)
    assert not has_damaged_audio(audio)


@pytest.mark.parametrize(
    ("second", "size"),
    [(H264, (192, 128)), ((*X264, "-profile:v", "baseline", "-c:a", "aac"), (160, 120))],
    ids=["size", "profile"],
)
def test_joined_matroska_of_other_pictures_is_no_face_video(second, size, tmp_path):
    """All of it would be decoded as the header of the first says: grey frames. The sound is that of both."""
    path = make_video(tmp_path / "a.mkv", codec=H264, audio=True)
    joined = join(path, make_video(tmp_path / "b.mkv", size=size, codec=second, audio=True))
    with pytest.raises(InputError, match="several recordings were joined"):
        probe_video(joined)
    audio = probe_audio(joined)
    assert sum(map(len, read_audio(audio))) / 16000 == pytest.approx(2, abs=0.1)
    assert not has_damaged_audio(audio)


@pytest.mark.parametrize(
    "second",
    [(*X264, "-bf", "2", "-c:a", "libmp3lame"), (*X264, "-bf", "2", "-c:a", "aac", "-ar", "22050")],
    ids=["codec", "rate"],
)
def test_joined_matroska_of_other_sound_is_no_audio(second, tmp_path):
    """It would be noise, or have the wrong pitch. The pictures are those of both."""
    paths = [
        make_video(tmp_path / f"{number}.mkv", codec=codec, audio=True) for number, codec in enumerate((H264, second))
    ]
    singles = [digest(frame) for path in paths for frame in read_frames(probe_video(path))]
    joined = join(*paths)
    with pytest.raises(InputError, match="several recordings were joined"):
        probe_audio(joined)
    assert [digest(frame) for frame in read_frames(probe_video(joined))] == singles


def test_joined_matroska_whose_tracks_have_another_order_is_an_error(tmp_path):
    path = make_video(tmp_path / "a.mkv", codec=H264, audio=True)
    ffmpeg("-i", path, "-map", "0:a", "-map", "0:v", "-c", "copy", tmp_path / "b.mkv")
    assert_is_refused(join(path, tmp_path / "b.mkv"))


def test_joined_webm_may_change_its_size(tmp_path):
    path = make_video(tmp_path / "a.webm", codec=VP8, audio=True)
    video = probe_video(join(path, make_video(tmp_path / "b.webm", size=(192, 128), codec=VP8, audio=True)))
    assert (video.width, sum(1 for _ in read_frames(video))) == (192, 50)


def test_long_avi_goes_on_in_further_chunks(tmp_path):
    path = make_video(tmp_path / "a.avi", seconds=1, codec=("-c:v", "mjpeg"))
    path.write_bytes(path.read_bytes() + b"RIFF\x04\0\0\0AVIX")
    assert not any(NOTE in note for note in probe_video(path).notes)


def test_box_whose_size_is_damaged_is_the_last(tmp_path):
    path = tmp_path / "damaged.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0\0\0\1mdat" + b"\xff" * 8 + bytes(100))
    assert joined_notes(path) == ()
