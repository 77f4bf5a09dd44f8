"""MP4 files of which nothing can be decoded: encrypted ones, and single segments of a stream."""

from pathlib import Path

import pytest

from heygem_cli.errors import InputError
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from media_factory import X264, ffmpeg, make_video

KEY = "76a6c65c5ea762046bd749a2e632ccbb"
ENCRYPTION = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY, "-encryption_kid", KEY[::-1])
FRAGMENTED = "frag_keyframe+empty_moov+default_base_moof"


@pytest.fixture(scope="module")
def clear(media) -> Path:
    return make_video(media / "clear.mp4", audio=True, codec=(*X264, "-c:a", "aac"))


def errors_of(path: Path) -> list[str]:
    """Return the errors of the video and of the audio."""
    found = []
    for probe in (probe_video, probe_audio):
        with pytest.raises(InputError) as caught:
            probe(path)
        assert caught.value.path == path
        found.append(f"{caught.value.code}: {caught.value.message.removeprefix(f'{path}: ')}")
    return found


@pytest.mark.parametrize("options", [(), ("-movflags", FRAGMENTED), ("-movflags", "faststart")])
def test_encrypted_file_is_said_to_be_so(options, clear, tmp_path):
    ffmpeg("-i", clear, "-c", "copy", *ENCRYPTION, *options, tmp_path / "a.mp4")
    assert errors_of(tmp_path / "a.mp4") == [
        f"encrypted-media: its {kind} is encrypted and cannot be decoded without the key" for kind in ("video", "audio")
    ]


@pytest.mark.parametrize(("entry", "bought"), [(b"avc1", b"drmi"), (b"mp4a", b"drms")])
def test_only_the_track_that_is_encrypted_is_refused(entry, bought, clear, tmp_path):
    path = tmp_path / "bought.mp4"
    path.write_bytes(clear.read_bytes().replace(entry, bought))
    refused, used = (probe_video, probe_audio) if entry == b"avc1" else (probe_audio, probe_video)
    used(path)
    with pytest.raises(InputError) as caught:
        refused(path)
    assert caught.value.code == "encrypted-media"


@pytest.mark.parametrize("flags", ["dash", "cmaf", FRAGMENTED])
def test_single_segment_of_a_stream(flags, clear, tmp_path):
    whole = tmp_path / "whole.mp4"
    ffmpeg("-i", clear, "-c", "copy", "-movflags", flags, whole)
    data, frames = whole.read_bytes(), probe_video(whole).frames
    start = data.index(b"moov") - 4
    end = start + int.from_bytes(data[start : start + 4], "big")
    init, segment = tmp_path / "init.mp4", tmp_path / "1.m4s"
    init.write_bytes(data[:end])
    segment.write_bytes(data[end:])
    assert set(errors_of(init)) == {
        "segment-only: this is only the initialization segment of a stream, without any frame or sound"
    }
    assert set(errors_of(segment)) == {
        "segment-only: this is only a segment of a stream, of which the initialization segment is missing"
    }
    whole.write_bytes(init.read_bytes() + segment.read_bytes())  # as the hint says
    assert (sum(1 for _ in read_frames(probe_video(whole))), probe_audio(whole).codec) == (frames, "aac")
