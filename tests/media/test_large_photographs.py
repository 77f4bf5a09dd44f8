"""Photographs of 50 to 200 million pixels, which phones take: they are reduced while they are decoded."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heif_factory import write_heic_in_one_piece
from heygem_cli.errors import InputError
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import planes

ORIENTATION = 0x0112
PEAK = """
import sys
from pathlib import Path
from heygem_cli.media.probe_video import probe_video
probe_video(Path(sys.argv[1]))
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.parametrize(("name", "orientation"), [("a.jpg", 1), ("a.jpg", 6), ("a.png", 6), ("a.tif", 6)])
def test_size_and_orientation(name, orientation, tmp_path):
    picture = Image.new("L", (9600, 6400), 200)
    picture.paste(50, (0, 0, 4800, 6400))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture.save(tmp_path / name, exif=exif, **({"compression": "tiff_lzw"} if name == "a.tif" else {}))
    video = probe_video(tmp_path / name)
    full, size = ((9600, 6400), (3526, 2350)) if orientation == 1 else ((6400, 9600), (2350, 3526))
    assert (video.is_still, video.width, video.height) == (True, *size)
    assert video.notes == (f"it has {full[0]}×{full[1]} pixels; it was scaled down to {size[0]}×{size[1]}",)
    luma = planes(next(read_frames(video, count=1)))[0].astype(int)
    assert np.abs([luma[100, 100] - 59, luma[-100, -100] - 188]).max() <= 2


def test_heic_in_one_piece(tmp_path):
    """Programs on computers write no tiles; ffmpeg had to decode 50 million pixels at the most."""
    video = probe_video(write_heic_in_one_piece(tmp_path / "a.heic", size=(8704, 6144)))
    assert (video.is_still, video.width, video.height) == (True, 3426, 2418)
    assert np.ptp(planes(next(read_frames(video, count=1)))[0].astype(int)) <= 2


@pytest.mark.parametrize("name", ["a.bmp", "a.pgm"])
def test_other_formats(name, tmp_path):
    Image.new("L", (8704, 6144), "white").save(tmp_path / name)
    assert next(read_frames(probe_video(tmp_path / name), count=1))[100, 100] == 235


def test_too_large_for_its_decoder(tmp_path):
    """That of JPEG 2000 would take 4 GB for 200 million pixels."""
    Image.new("L", (8704, 6144), "white").save(tmp_path / "a.jp2")
    with pytest.raises(InputError, match="at most 50 million") as caught:
        probe_video(tmp_path / "a.jp2")
    assert caught.value.code == "picture-too-large"


def test_memory(tmp_path: Path):
    Image.new("RGB", (16320, 12240), "red").save(tmp_path / "a.jpg", quality=20)
    done = subprocess.run([sys.executable, "-c", PEAK, tmp_path / "a.jpg"], capture_output=True, check=True)
    assert int(done.stdout) < 500_000  # kB
