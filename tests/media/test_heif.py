"""Animated AVIF, which has a still image as well, and the brands of HEIC."""

from pathlib import Path

import pytest
from PIL import Image

from color_profiles import DISPLAY_P3, rgb_profile
from heif_factory import write_heic
from heygem_cli.errors import InputError
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames

SIZE = (64, 48)
P3 = rgb_profile(DISPLAY_P3)


def levels(path: Path) -> list[float]:
    """Return the grey level of every frame."""
    return [(float(frame[: SIZE[1]].mean()) - 16) * 255 / 219 for frame in read_frames(probe_video(path))]


def test_animated_avif_is_a_video(tmp_path: Path):
    """Its still image, for programs that cannot play it, is its first track."""
    path = tmp_path / "a.avif"
    first, *others = (Image.new("RGB", SIZE, (grey, grey, grey)) for grey in (40, 100, 160, 220))
    first.save(path, save_all=True, append_images=others, duration=[100, 100, 300, 100], quality=100)
    video = probe_video(path)
    assert (video.is_still, video.fps, video.frames, video.notes) == (False, 10, 6, ())
    assert levels(path) == pytest.approx([40, 100, 160, 160, 160, 220], abs=3)
    with pytest.raises(InputError, match="no video track 2"):
        probe_video(path, 2)


def test_animated_avif_with_transparency_is_an_error(tmp_path: Path):
    """Its transparency is a track of its own: the colours of what is transparent would be shown."""
    path = tmp_path / "a.avif"
    first, second = (Image.new("RGBA", SIZE, (200, 100, 50, alpha)) for alpha in (0, 128))
    first.save(path, save_all=True, append_images=[second], duration=100)
    with pytest.raises(InputError, match="whose transparency is a track of its own") as caught:
        probe_video(path)
    assert (caught.value.code, caught.value.hint) == ("unsupported-picture", "Export it as animated WebP")
    first.save(tmp_path / "still.avif")
    assert levels(tmp_path / "still.avif") == [255]


@pytest.mark.parametrize("brand", [b"heim", b"heis", b"heix", b"mif1", b"mif2"])
@pytest.mark.parametrize("profile", [b"", P3], ids=["plain", "profile"])
def test_every_brand_of_heic_is_a_still_image(brand: bytes, profile: bytes, tmp_path: Path):
    path = write_heic(tmp_path / "a.heic", profile=profile)
    path.write_bytes(path.read_bytes().replace(b"ftypheic", b"ftyp" + brand, 1))
    video = probe_video(path)
    assert (video.is_still, video.is_converted) == (True, bool(profile))
