"""Videos of 10 bits: their bits and HDR metadata are kept on request, and otherwise it is said that they are lost."""

import subprocess
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from heygem_cli.errors import InputError
from heygem_cli.job import RenderJob
from heygem_cli.media import read
from heygem_cli.media.depth import to_8_bits, with_changes
from heygem_cli.media.ffmpeg import find_ffmpeg
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import loop_frames, read_frames
from heygem_cli.media.types import ColorTags, HdrMetadata, VideoInfo
from heygem_cli.media.write import choose_encoder, encode_video
from heygem_cli.options import EncodeOptions, RenderOptions
from heygem_cli.pipeline import check_job
from media_factory import X264, digest, make_video

DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
HDR = HdrMetadata((13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450, 10_000_000, 50), (1000, 400))
PQ = ColorTags("bt2020", "smpte2084", "bt2020nc")
HLG = ColorTags("bt2020", "arib-std-b67", "bt2020nc")
TEN_BITS = EncodeOptions(crf=4, preset="ultrafast", pixel_format="10bit")
X265 = (
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-x265-params",
    f"log-level=error:master-display={DISPLAY}:max-cll=1000,400",
)
SOURCES = {
    "hevc.mp4": ((*X265, "-tag:v", "hvc1"), PQ, HDR),
    "hlg.mov": (("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"), HLG, HdrMetadata()),
    "high10.mkv": (("-c:v", "libx264", "-preset", "ultrafast"), ColorTags("bt709", "bt709", "bt709"), HdrMetadata()),
    "vp9.webm": (("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"), PQ, HdrMetadata()),
    "prores.mov": (("-c:v", "prores_ks"), PQ, HdrMetadata()),
}  # fmt: skip


def make_source(path: Path, codec: tuple[str, ...], color: ColorTags, pixels: str = "yuv420p10le") -> Path:
    """Write a smooth picture with noise of less than a level of 8 bits."""
    tags = f"setparams=range=tv:color_primaries={color.primaries}:color_trc={color.transfer}:colorspace={color.matrix}"
    filters = f"scale=160:120,gblur=8,format={pixels},noise=all_strength=3:all_flags=t,{tags}"
    return make_video(path, filters=filters, codec=("-pix_fmt", pixels, *codec), seconds=0.4)


def decoded(path: Path) -> np.ndarray:
    """Return all frames of 10 bits as the ffmpeg program decodes them."""
    args = [find_ffmpeg(), "-v", "error", "-i", path, "-map", "0:v", "-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-"]
    raw = subprocess.run(args, check=True, capture_output=True).stdout
    return np.frombuffer(raw, "<u2").reshape(-1, 180, 160)


def write(output: Path, video: VideoInfo, voice: Path, options: EncodeOptions = TEN_BITS) -> VideoInfo:
    with encode_video(output, video, probe_audio(voice), seconds=0.4, options=options) as writer:
        for _, frame in loop_frames(video, 10, "hold"):
            writer.write(frame)
    return probe_video(output)


@pytest.fixture(scope="module")
def hdr(media: Path) -> VideoInfo:
    return probe_video(make_source(media / "hdr.mp4", *SOURCES["hevc.mp4"][:2]))


@pytest.mark.parametrize("name", SOURCES)
def test_bits_and_hdr_of_every_codec_are_kept(name: str, voice: Path, tmp_path: Path):
    codec, color, metadata = SOURCES[name]
    source = probe_video(make_source(tmp_path / name, codec, color))
    assert (source.source_bits, source.color, source.hdr) == (10, color, metadata)
    output = write(tmp_path / "out.mp4", replace(source, bits=10), voice)
    assert (output.codec, output.pixel_format, output.source_bits) == ("hevc", "yuv420p10le", 10)
    assert (output.color, output.hdr) == (color, metadata)
    written, read = decoded(tmp_path / "out.mp4"), decoded(tmp_path / name)
    assert np.abs(written.astype(int) - read).mean() < 3  # of 1023
    assert len(np.unique(written[0] % 4)) == 4


@pytest.mark.parametrize("encoder", ["auto", "libx264"])
@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_every_container_and_encoder_keeps_them(name: str, encoder: str, hdr: VideoInfo, voice: Path, tmp_path: Path):
    output = write(tmp_path / name, replace(hdr, bits=10), voice, replace(TEN_BITS, encoder=encoder))
    assert output.codec == ("hevc" if encoder == "auto" else "h264")
    assert (output.source_bits, output.color, output.hdr) == (10, PQ, HDR)
    with av.open(str(tmp_path / name)) as container:
        tag = container.streams.video[0].codec_context.codec_tag
    assert name == "out.mkv" or tag == ("hvc1" if encoder == "auto" else "avc1")


def test_light_level_without_a_display_is_kept(hdr: VideoInfo, voice: Path, tmp_path: Path):
    for known in (HdrMetadata(light_level=(600, 200)), HdrMetadata(mastering_display=HDR.mastering_display)):
        assert write(tmp_path / "out.mkv", replace(hdr, bits=10, hdr=known), voice).hdr == known


@pytest.mark.parametrize("mode", ["pingpong", "forward", "hold"])
@pytest.mark.parametrize("memory", [1, read.LOOP_BYTES])
def test_frames_of_ten_bits_are_those_of_the_file(mode, memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(read, "LOOP_BYTES", memory)
    path = make_source(tmp_path / "a.mkv", ("-c:v", "ffv1"), PQ)
    expected = decoded(path)
    video = replace(probe_video(path), bits=10)
    for index, frame in loop_frames(video, 25, mode):
        assert frame.dtype == np.uint16
        assert (frame == expected[index]).all()


def test_frames_of_ten_bits_take_their_share_of_the_memory(hdr: VideoInfo, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(read, "LOOP_BYTES", 160 * 180 * 100)
    assert read._max_frames_in_memory(hdr) == 100
    assert read._max_frames_in_memory(replace(hdr, bits=10)) == 50


def test_frames_are_read_with_eight_bits_unless_asked_otherwise(hdr: VideoInfo):
    for video in (hdr, replace(hdr, bits=10)):
        frames = [digest(frame) for frame in read_frames(video)]
        assert len(frames) == 10
        assert frames == [digest(frame) for _, frame in loop_frames(hdr, 10, "none")]


def test_changes_are_added_and_the_rest_keeps_its_bits():
    frame = np.random.default_rng(0).integers(0, 1024, (180, 160), np.uint16)
    shallow = to_8_bits(frame)
    assert np.abs(4 * shallow.astype(int) - frame).max() <= 3
    assert (with_changes(frame, shallow, shallow.copy()) == frame).all()
    rendered = shallow.copy()
    rendered[50:90, 20:60] = 200
    rendered[0, :2] = 0, 255
    changed = with_changes(frame, shallow, rendered)
    assert changed.dtype == np.uint16
    assert (to_8_bits(changed) == rendered).mean() > 0.999
    assert changed.max() <= 1023
    same = rendered == shallow
    assert (changed[same] == frame[same]).all()


def test_frame_of_eight_bits_is_not_copied():
    frame = np.zeros((180, 160), np.uint8)
    assert to_8_bits(frame) is frame or np.shares_memory(to_8_bits(frame), frame)
    rendered = frame.copy()
    assert with_changes(frame, frame, rendered) is rendered


def test_transparent_video_is_read_with_ten_bits(tmp_path: Path):
    path = make_source(tmp_path / "a.mov", ("-c:v", "prores_ks", "-profile:v", "4444"), PQ, "yuva444p10le")
    video = probe_video(path)
    assert video.has_alpha
    deep = [frame for _, frame in loop_frames(replace(video, bits=10), 3, "none")]
    assert len(np.unique(deep[0] % 4)) == 4
    for (_, shallow), frame in zip(loop_frames(video, 3, "none"), deep, strict=True):
        assert np.abs(4 * shallow.astype(int) - frame).mean() < 6


def test_encoder_of_ten_bits(hdr: VideoInfo):
    assert choose_encoder(EncodeOptions(pixel_format="10bit"), hdr.width, hdr.height) == "libx265"
    assert choose_encoder(EncodeOptions(pixel_format="10bit", encoder="libx264"), hdr.width, hdr.height) == "libx264"
    assert choose_encoder(EncodeOptions(encoder="libx264"), hdr.width, hdr.height) == "libx264"


def test_what_cannot_write_ten_bits_is_refused(hdr: VideoInfo, voice: Path, tmp_path: Path):
    nvenc = RenderOptions(encode=EncodeOptions(pixel_format="10bit", encoder="h264_nvenc"))
    heygem = RenderOptions(encode=EncodeOptions(pixel_format="10bit"), engine="heygem")
    for options, code in ((nvenc, "no-10-bits"), (heygem, "unheeded-option")):
        with pytest.raises(InputError) as caught:
            check_job(RenderJob(voice, hdr.path, tmp_path / "out.mp4", options))
        assert caught.value.code == code
        assert "--pixel-format 10bit" in caught.value.message


def test_source_of_eight_bits_becomes_ten(voice: Path, clip: Path, tmp_path: Path):
    source = probe_video(clip)
    assert source.source_bits == 8
    assert write(tmp_path / "out.mp4", replace(source, bits=10), voice).pixel_format == "yuv420p10le"
    frames = list(read_frames(source, count=3))
    for (_, deep), frame in zip(loop_frames(replace(source, bits=10), 3, "none"), frames, strict=True):
        assert (deep == 4 * frame.astype(int)).all()


def test_bits_of_other_formats(tmp_path: Path):
    twelve = make_video(tmp_path / "a.mkv", codec=("-pix_fmt", "yuv422p12le", "-c:v", "ffv1"))
    assert probe_video(twelve).source_bits == 12
    assert probe_video(make_video(tmp_path / "b.mp4", codec=X264)).source_bits == 8
