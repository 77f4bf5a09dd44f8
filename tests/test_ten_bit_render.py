"""A whole render of a video of 10 bits, on a real face."""

from dataclasses import replace

import numpy as np
import pytest

from heygem_cli.job import RenderJob
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import loop_frames
from heygem_cli.media.types import HdrMetadata
from heygem_cli.media.write import VideoWriter
from heygem_cli.options import EncodeOptions, EngineOptions, RenderOptions
from heygem_cli.pipeline import Pipeline, check_job
from heygem_cli.runtime import Settings
from media_factory import ffmpeg
from portrait import make_face_video, make_voice, scene

SIZE = (480, 360)
HDR = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline(EngineOptions("cpu"), Settings())


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HEYGEM_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def voice(media):
    return make_voice(media / "syllables.wav")


@pytest.fixture(scope="module")
def face(media):
    """A face in HDR10 with noise of less than a level of 8 bits."""
    shallow = make_face_video(media / "shallow.mp4", [scene(*SIZE, (240 + k, 180, 330)) for k in range(6)])
    tags = "setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    ffmpeg(
        "-i", shallow, "-vf", f"format=yuv420p10le,noise=all_strength=3:all_flags=t,{tags}", "-pix_fmt", "yuv420p10le",
        "-c:v", "libx265", "-preset", "ultrafast", "-crf", 10, "-x265-params", f"log-level=error:{HDR}",
        media / "hdr.mp4",
    )  # fmt: skip
    return media / "hdr.mp4"


def render(pipeline, face, voice, output, **encode):
    options = RenderOptions(encode=EncodeOptions(preset="ultrafast", **encode))
    job = RenderJob(voice, face, output, options)
    return pipeline.render(job, check_job(job))


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_ten_bits_and_hdr_are_kept_and_pixels_outside_the_face_untouched(
    name, pipeline, face, voice, tmp_path, monkeypatch
):
    written, write = [], VideoWriter.write
    monkeypatch.setattr(VideoWriter, "write", lambda self, frame: (written.append(frame), write(self, frame)))
    result = render(pipeline, face, voice, tmp_path / name, pixel_format="10bit")
    assert result.warnings == ()
    source, output = probe_video(face), probe_video(tmp_path / name)
    assert (output.codec, output.source_bits) == ("hevc", 10)
    assert (output.color, output.hdr) == (source.color, source.hdr)
    assert source.hdr != HdrMetadata()
    expected = [frame for _, frame in loop_frames(replace(source, bits=10), 25, "pingpong")]
    changes = np.array([made != frame for made, frame in zip(written, expected, strict=True)])[:, : SIZE[1]]
    assert changes.any()
    assert not changes[:, :135].any()  # above the nose
    assert not changes[:, :, :180].any()
    assert not changes[:, :, 320:].any()
    decoded = [frame for _, frame in loop_frames(replace(output, bits=10), 25, "none")]
    assert np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(written, decoded, strict=True)]) < 8  # of 1023


def test_loss_of_bits_is_said(pipeline, face, voice, tmp_path):
    (warning,) = render(pipeline, face, voice, tmp_path / "out.mp4").warnings
    expected = "it has 10 bits per colour, the output has 8, in which HDR shows bands; --pixel-format 10bit keeps 10"
    assert warning == f"{face}: {expected}"
    assert probe_video(tmp_path / "out.mp4").pixel_format == "yuv420p"


def test_loss_of_bits_beyond_ten_is_said(pipeline, face, voice, tmp_path):
    ffmpeg("-i", face, "-pix_fmt", "yuv422p12le", "-c:v", "ffv1", tmp_path / "deep.mkv")
    (warning,) = render(pipeline, tmp_path / "deep.mkv", voice, tmp_path / "out.mp4", pixel_format="10bit").warnings
    assert warning == f"{tmp_path / 'deep.mkv'}: it has 12 bits per colour, the output has 10"
