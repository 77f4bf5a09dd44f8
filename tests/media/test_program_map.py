"""MPEG-TS whose streams change on the way, as where recordings of several kinds were joined byte by byte.

ffmpeg goes on as the first program map says: of H.264 followed by HEVC it shows the first part, without a word.
"""

from pathlib import Path

import pytest

from heygem_cli.errors import InputError
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from media_factory import X264, ffmpeg, make_video

AAC = (*X264, "-c:a", "aac")
MP3 = (*X264, "-c:a", "libmp3lame")
AC3 = (*X264, "-c:a", "ac3")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-c:a", "aac")
MPEG2 = ("-c:v", "mpeg2video", "-c:a", "aac")


def make_parts(folder: Path, name: str, *kinds: tuple[str, ...]) -> list[Path]:
    return [
        make_video(folder / f"{number}{name}", seconds=0.6, codec=kind, audio=True) for number, kind in enumerate(kinds)
    ]


def join(*parts: bytes, path: Path) -> Path:
    path.write_bytes(b"".join(parts))
    return path


def joined_codes(path: Path) -> list[str]:
    """Return the error of the video and of the audio, empty for none."""
    codes = []
    for probe in (probe_video, probe_audio):
        try:
            probe(path)
            codes.append("")
        except InputError as error:
            assert error.path == path
            codes.append(error.code)
    return codes


@pytest.mark.parametrize(
    ("name", "first", "second", "codes"),
    [
        (".ts", AAC, HEVC, ["joined-files", ""]),
        (".ts", HEVC, AAC, ["joined-files", ""]),
        (".ts", AAC, MPEG2, ["joined-files", ""]),
        (".ts", AAC, MP3, ["", "joined-files"]),
        (".ts", AC3, AAC, ["", "joined-files"]),
        (".m2ts", AAC, HEVC, ["joined-files", ""]),
        (".m2ts", AC3, AAC, ["", "joined-files"]),
        (".ts", AC3, AC3, ["", ""]),
        (".ts", HEVC, HEVC, ["", ""]),
        (".m2ts", AAC, AAC, ["", ""]),
    ],
)
def test_codec_that_changes_is_an_error(name, first, second, codes, tmp_path):
    parts = [path.read_bytes() for path in make_parts(tmp_path, name, first, second)]
    assert joined_codes(join(*parts, path=tmp_path / f"joined{name}")) == codes


@pytest.mark.parametrize(
    "options",
    [("-streamid", "0:300", "-streamid", "1:301"), ("-mpegts_pmt_start_pid", "0x200", "-mpegts_start_pid", "0x300")],
)
def test_recording_in_other_streams_is_an_error(options, tmp_path):
    (first,) = make_parts(tmp_path, ".ts", AAC)
    ffmpeg("-i", first, "-c", "copy", *options, tmp_path / "other.ts")
    parts = first.read_bytes(), (tmp_path / "other.ts").read_bytes()
    assert joined_codes(join(*parts, path=tmp_path / "joined.ts")) == ["joined-files", "joined-files"]


def test_packet_that_was_cut_off_does_not_hide_what_follows(tmp_path):
    first, second = (path.read_bytes() for path in make_parts(tmp_path, ".ts", AAC, HEVC))
    path = join(first[:-100], second, path=tmp_path / "joined.ts")
    with pytest.raises(InputError, match="its video goes on with another codec or in another stream"):
        probe_video(path)


def test_map_to_which_a_stream_is_added_is_the_same_recording(tmp_path):
    """So do broadcasts; and one whose version or name of the service changes."""
    (first,) = make_parts(tmp_path, ".ts", AAC)
    ffmpeg("-i", first, "-map", "0", "-map", "0:a", "-c", "copy", "-metadata", "service_name=x", tmp_path / "more.ts")
    ffmpeg("-i", first, "-c", "copy", "-mpegts_transport_stream_id", 7, "-tables_version", 5, tmp_path / "version.ts")
    parts = [path.read_bytes() for path in (first, tmp_path / "more.ts", tmp_path / "version.ts", first)]
    path = join(*parts, path=tmp_path / "joined.ts")
    assert joined_codes(path) == ["", ""]
    assert sum(1 for _ in read_frames(probe_video(path))) == 60


def test_part_without_video_loses_nothing(tmp_path):
    (first,) = make_parts(tmp_path, ".ts", AAC)
    ffmpeg("-i", first, "-map", "0:a", "-c", "copy", "-streamid", "0:257", tmp_path / "sound.ts")
    parts = first.read_bytes(), (tmp_path / "sound.ts").read_bytes()
    assert joined_codes(join(*parts, path=tmp_path / "joined.ts")) == ["", ""]


def test_several_programs_at_the_same_time_are_one_recording(tmp_path):
    (first,) = make_parts(tmp_path, ".ts", AAC)
    path = tmp_path / "programs.ts"
    programs = ("-program", "program_num=1:st=0:st=1", "-program", "program_num=2:st=2:st=3")
    ffmpeg("-i", first, "-map", "0", "-map", "0", "-c", "copy", *programs, path)
    assert joined_codes(path) == joined_codes(join(path.read_bytes() * 2, path=tmp_path / "twice.ts")) == ["", ""]


def test_map_that_is_damaged_is_no_other_recording(tmp_path):
    (first,) = make_parts(tmp_path, ".ts", AAC)
    data = first.read_bytes()
    entry = b"\x1b\xe1\x00"  # H.264, with the identifier 256
    damaged = data.replace(entry, b"\x1b\xe1\x0f")
    assert damaged != data
    assert joined_codes(join(data, damaged, data, path=tmp_path / "joined.ts")) == ["", ""]
