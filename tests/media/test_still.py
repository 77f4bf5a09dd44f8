"""Tests of still images with colour profiles, and of formats that ffmpeg reads wrongly or not at all."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from color_profiles import ADOBE_RGB, DISPLAY_P3, SRGB, as_srgb, cmyk_profile, grey_profile, rgb_profile
from heif_factory import write_heic
from heygem_cli.errors import HeygemError, InputError, StoppedError
from heygem_cli.heygem.staging import stage_inputs
from heygem_cli.job import Inputs
from heygem_cli.media import still
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import loop_frames, read_frames
from heygem_cli.media.types import VideoInfo, planes
from media_factory import ffmpeg, make_audio

P3 = rgb_profile(DISPLAY_P3)
ADOBE_GAMMA = 2.19921875
COLOR = (200, 100, 50)
SIZE = (64, 48)
EXACT = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 100}}


def save(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **{**EXACT.get(Image.registered_extensions()[path.suffix], {}), **options})
    return path


def plain(color: object = COLOR, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, SIZE, color)


def halves(*colors: tuple[int, int, int]) -> Image.Image:
    """Return an image that has one colour in its upper half and another one below."""
    picture = Image.new("RGB", SIZE, colors[0])
    picture.paste(colors[1], (0, SIZE[1] // 2, *SIZE))
    return picture


def colors(video: VideoInfo, *places: tuple[int, int]) -> list[list[int]]:
    """Return the colours of the decoded picture at places (x, y), by default in the middle."""
    frame = next(read_frames(video, count=1))
    y, u, v = planes(frame)
    found = []
    for left, top in places or ((video.width // 2, video.height // 2),):
        luma = (float(y[top, left]) - 16) / 219
        blue, red = ((float(plane[top // 2, left // 2]) - 128) / 224 for plane in (u, v))
        rgb = (luma + 1.5748 * red, luma - 0.18732 * blue - 0.46812 * red, luma + 1.8556 * blue)
        found.append([round(min(max(255 * level, 0), 255)) for level in rgb])
    return found


def assert_close(found: list[int], expected: object, tolerance: int = 3) -> None:
    assert np.abs(np.subtract(found, expected)).max() <= tolerance, (found, expected)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif"])
@pytest.mark.parametrize(
    ("primaries", "gamma"), [(DISPLAY_P3, None), (ADOBE_RGB, ADOBE_GAMMA)], ids=["display-p3", "adobe-rgb"]
)
def test_colours_of_a_profile_become_srgb(suffix, primaries, gamma, tmp_path):
    profile = rgb_profile(primaries, gamma)
    video = probe_video(save(tmp_path / f"picture{suffix}", plain(), icc_profile=profile))
    assert (video.is_still, video.frames, video.color.matrix) == (True, 1, "bt709")
    assert_close(colors(video)[0], as_srgb(COLOR, primaries, gamma))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize(
    "profile", [rgb_profile(SRGB), b"", b"damaged" * 40, P3[:300], cmyk_profile(), grey_profile(1)]
)
def test_without_a_usable_profile_the_colours_are_those_of_srgb(suffix, profile, tmp_path):
    video = probe_video(save(tmp_path / f"picture{suffix}", plain(), icc_profile=profile))
    assert not video.is_converted
    if video.color.matrix == "bt709":
        assert_close(colors(video)[0], COLOR)


def test_grey_and_cmyk_profiles(tmp_path):
    grey = probe_video(save(tmp_path / "grey.png", plain(128, "L"), icc_profile=grey_profile(1.0)))
    assert_close(colors(grey)[0], [188] * 3)
    for name in ("press.jpg", "press.tif"):
        press = probe_video(save(tmp_path / name, plain((255, 0, 0, 0), "CMYK"), icc_profile=cmyk_profile()))
        assert_close(colors(press)[0], [119] * 3)


def test_sixteen_bits_are_rounded_to_eight_not_clipped(tmp_path):
    deep = Image.fromarray(np.full((48, 64), 128 * 257, np.uint16))
    video = probe_video(save(tmp_path / "grey.png", deep, icc_profile=grey_profile(1.0)))
    assert_close(colors(video)[0], [188] * 3)
    source = f"color=0x{bytes(COLOR).hex()}:size=64x48,format=rgb48be"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", 1, "-update", 1, tmp_path / "deep.png")
    with Image.open(tmp_path / "deep.png") as deep:
        save(tmp_path / "p3.png", deep, icc_profile=P3)
    assert_close(colors(probe_video(tmp_path / "p3.png"))[0], as_srgb(COLOR, DISPLAY_P3, None))


def test_palettes(tmp_path):
    video = probe_video(save(tmp_path / "palette.png", plain().convert("P"), icc_profile=P3))
    assert_close(colors(video)[0], as_srgb(plain().convert("P").convert("RGB").getpixel((0, 0)), DISPLAY_P3, None))


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif", ".tif"])
def test_transparency_is_kept(suffix, tmp_path):
    picture = plain((*COLOR, 255), "RGBA")
    picture.paste((*COLOR, 0), (0, 0, 32, 48))
    video = probe_video(save(tmp_path / f"picture{suffix}", picture, icc_profile=P3))
    assert video.has_alpha
    clear, opaque = colors(video, (8, 24), (56, 24))
    assert_close(clear, [255] * 3)
    assert_close(opaque, as_srgb(COLOR, DISPLAY_P3, None))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_kept(suffix, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.new("RGB", (65, 49), (40, 40, 40))
    picture.paste((220, 220, 220), (0, 0, 24, 16))  # the corner from which the orientation is counted
    video = probe_video(save(tmp_path / f"picture{suffix}", picture, icc_profile=P3, exif=exif))
    assert video.is_converted
    assert (video.width, video.height) == ((64, 48) if orientation < 5 else (48, 64))
    right, bottom = video.width - 6, video.height - 6
    corners = dict(zip(((6, 6), (right, 6), (right, bottom), (6, bottom)), "abcd", strict=True))
    bright = [name for place, name in corners.items() if colors(video, place)[0][0] > 150]
    assert bright == [{1: "a", 2: "b", 3: "c", 4: "d", 5: "a", 6: "b", 7: "c", 8: "d"}[orientation]]


def test_damaged_metadata_is_ignored(tmp_path):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40
    video = probe_video(save(tmp_path / "picture.jpg", plain(), icc_profile=P3, exif=exif))
    assert_close(colors(video)[0], as_srgb(COLOR, DISPLAY_P3, None))


def test_tags_in_the_file_do_not_describe_the_converted_colours(tmp_path):
    ffmpeg(
        "-f", "lavfi", "-i", f"color=0x{bytes(COLOR).hex()}:size=64x48,format=rgb24,setparams=color_primaries=smpte432",
        "-frames:v", 1, "-update", 1, tmp_path / "tagged.png",
    )  # fmt: skip
    assert probe_video(tmp_path / "tagged.png").color.primaries == "smpte432"
    data = (tmp_path / "tagged.png").read_bytes()
    other = save(tmp_path / "icc.png", plain(), icc_profile=P3).read_bytes()
    start = other.index(b"iCCP") - 4
    chunk = other[start : start + 12 + int.from_bytes(other[start : start + 4], "big")]
    place = data.index(b"cHRM") - 4
    (tmp_path / "both.png").write_bytes(data[:place] + chunk + data[place:])
    video = probe_video(tmp_path / "both.png")
    assert video.color == still.probe_still(tmp_path / "icc.png").color
    assert video.color.primaries == "bt709"
    assert_close(colors(video)[0], as_srgb(COLOR, DISPLAY_P3, None))


@pytest.mark.parametrize("turns", range(4))
def test_photographs_of_phones(turns, tmp_path):
    path = write_heic(tmp_path / "p3.heic", color=f"0x{bytes(COLOR).hex()}", profile=P3, turns=turns, columns=3)
    video = probe_video(path)
    assert (video.is_still, video.is_converted, video.frames) == (True, True, 1)
    assert (video.width, video.height) == ((64, 192) if turns % 2 else (192, 64))
    for place in ((5, 5), (video.width - 5, video.height - 5)):
        assert_close(colors(video, place)[0], as_srgb(COLOR, DISPLAY_P3, None))


@pytest.mark.parametrize("profile", [b"", rgb_profile(SRGB), b"damaged" * 40])
def test_photographs_of_phones_without_another_profile(profile, tmp_path):
    video = probe_video(write_heic(tmp_path / "plain.heic", profile=profile))
    assert (video.is_still, video.is_converted, video.width, video.height) == (True, False, 128, 64)


def test_photographs_of_phones_of_many_tiles(tmp_path):
    video = probe_video(write_heic(tmp_path / "many.heic", colors=["red"] * 600, columns=30))
    assert (video.is_still, video.width, video.height) == (True, 1920, 1280)


def test_photographs_of_phones_that_are_too_large_or_damaged(tmp_path, monkeypatch):
    path = write_heic(tmp_path / "p3.heic", profile=P3)
    monkeypatch.setattr(still, "MAX_PHOTOGRAPH_PIXELS", 5000)
    with pytest.raises(InputError, match="it has 128×64 pixels"):
        probe_video(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="the image is truncated"):
        probe_video(path)


def test_large_photograph_keeps_its_details(tmp_path):
    picture = Image.effect_noise((1201, 901), 60).convert("RGB")
    video = probe_video(save(tmp_path / "picture.png", picture, icc_profile=P3))
    (frame,) = read_frames(video)
    assert (video.width, video.height) == (1200, 900)
    expected = np.asarray(picture.convert("L"), float)[:900, :1200]
    assert np.corrcoef(planes(frame)[0].ravel(), expected.ravel())[0, 1] > 0.999


def test_picture_is_repeated(tmp_path):
    video = probe_video(save(tmp_path / "picture.png", plain(), icc_profile=P3))
    assert [index for index, _ in loop_frames(video, 5, "pingpong")] == [0] * 5


def test_picture_is_converted_for_heygem_too(tmp_path):
    video = probe_video(save(tmp_path / "picture.png", plain(), icc_profile=P3))
    audio = probe_audio(make_audio(tmp_path / "voice.wav", seconds=0.1))
    staged = probe_video(stage_inputs(Inputs(audio, video), tmp_path).video)
    assert_close(colors(staged)[0], as_srgb(COLOR, DISPLAY_P3, None))


def test_picture_that_changes_meanwhile_is_an_error(tmp_path):
    path = save(tmp_path / "picture.png", plain(), icc_profile=P3)
    video = probe_video(path)
    save(path, plain().resize((32, 32)), icc_profile=P3)
    with pytest.raises(HeygemError, match="it was another image when it was first read"):
        list(read_frames(video))


def test_cut_off_picture_is_an_error(tmp_path):
    path = save(tmp_path / "picture.jpg", Image.effect_noise(SIZE, 60).convert("RGB"), icc_profile=P3)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match="the image is truncated"):
        probe_video(path)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("picture.ico", {"sizes": [(16, 16), (64, 48)]}),
        ("picture.tga", {}),
        ("picture.tga", {"compression": "tga_rle"}),
        ("picture.tif", {"compression": "jpeg", "quality": 100}),
        ("picture.tif", {"compression": "tiff_lzw"}),
        ("picture.bmp", {}),
        ("picture.jp2", {}),
        ("picture.ppm", {}),
    ],
)
def test_formats_of_image_editors(name, options, tmp_path):
    video = probe_video(save(tmp_path / name, halves((200, 100, 50), (20, 90, 160)), **options))
    assert (video.is_still, video.width, video.height) == (True, *SIZE)
    upper, lower = colors(video, (32, 8), (32, 40))
    assert_close(upper, (200, 100, 50), 4)
    assert_close(lower, (20, 90, 160), 4)


def test_film_is_no_still_image(tmp_path):
    frames = [plain(), plain((0, 0, 0))]
    for suffix in (".png", ".gif"):
        path = tmp_path / f"film{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, icc_profile=P3)
        assert not probe_video(path).is_still


def tiff(order: str, *tags: tuple[int, int]) -> bytes:
    """Return the beginning of a TIFF with these tags and values."""
    entries = b"".join(tag.to_bytes(2, order) + b"\0\4\0\0\0\1" + value.to_bytes(4, order) for tag, value in tags)
    magic = b"II*\0" if order == "little" else b"MM\0*"
    return magic + (8).to_bytes(4, order) + len(tags).to_bytes(2, order) + entries + bytes(100)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\x0a" + bytes(200), "a JPEG XL image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(200), "a JPEG XL image"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"%PDF-1.7\n" + bytes(200), "a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript document"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1" + bytes(200), "a raw photograph"),
        (b"FUJIFILMCCD-RAW 0201" + bytes(200), "a raw photograph"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(200), "a raw photograph"),
        (tiff("little", (0xFE, 1), (0x100, 160)), "a raw photograph"),
        (tiff("big", (0xFE, 1)), "a raw photograph"),
        (tiff("big", (0x100, 160), (0xC612, 0x01040000)), "a raw photograph"),
    ],
)
def test_other_formats_are_named(content, kind, tmp_path):
    (tmp_path / "picture").write_bytes(content)
    with pytest.raises(InputError) as caught:
        probe_video(tmp_path / "picture")
    assert str(caught.value) == f"{tmp_path / 'picture'}: this is {kind}. Export it as PNG or JPEG"
    assert caught.value.code == "unsupported-picture"


def test_pdf_of_a_photograph_is_no_video(tmp_path):
    data = io.BytesIO()
    plain().save(data, "PDF")
    (tmp_path / "picture.pdf").write_bytes(data.getvalue())
    with pytest.raises(InputError, match="this is a PDF document"):
        probe_video(tmp_path / "picture.pdf")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK"])
def test_uncompressed_tiff_is_turned(mode: str, tmp_path: Path):
    image = Image.new("RGB", (120, 80), (20, 20, 20))
    image.paste((220, 220, 220), (0, 0, 60, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.convert(mode).save(tmp_path / "turned.tif", exif=exif)
    frame = next(read_frames(probe_video(tmp_path / "turned.tif")))
    assert frame.shape == (180, 80)
    assert (frame[:60, 40:].mean() > 150, frame[:60, :40].mean() < 60) == (True, True)


@pytest.mark.parametrize("profile", [b"", P3])
@pytest.mark.parametrize("size", [(4000, 3000), (2999, 4001), (9001, 1001), (3840, 2160)])
def test_large_photograph_is_scaled_down(tmp_path, size, profile):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", size, COLOR).save(path, icc_profile=profile or None)
    video = probe_video(path)
    assert video.is_converted == bool(profile)
    assert video.width / video.height == pytest.approx(size[0] / size[1], rel=0.003)
    assert 0.99 < video.width * video.height / min(size[0] * size[1], 3840 * 2160) <= 1
    assert [f"scaled down to {video.width}×{video.height}" in note for note in video.notes] == [True] * (
        size != (3840, 2160)
    )
    (frame,) = read_frames(video)
    assert frame.shape == (video.height * 3 // 2, video.width)
    assert np.ptp(frame[: video.height]) <= 2  # no black border


@pytest.mark.parametrize("step", ["open", "load"])
def test_signal_while_pillow_reads_an_image_stops_the_run(step, tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    Image.new("RGB", (64, 64)).save(path)

    def interrupted(*_args, **_options):
        raise StoppedError(15)

    monkeypatch.setattr(Image if step == "open" else TiffImagePlugin.TiffImageFile, step, interrupted)
    with pytest.raises(StoppedError):
        probe_video(path)


def test_avif_whose_picture_is_stored_in_two_parts(tmp_path: Path):
    """Browsers show it, ffmpeg cannot open it."""
    path = save(tmp_path / "a.avif", plain())
    data = bytearray(path.read_bytes())
    places = data.index(b"iloc")
    count, start, length = struct.unpack_from(">HII", data, places + 16)
    assert (count, data[start - 4 : start]) == (1, b"mdat")
    parts = struct.pack(">HIIII", 2, start + 8, 20, start + 28, length - 20)
    data[places + 16 : places + 26] = parts
    for box in (places, data.index(b"meta")):
        struct.pack_into(">I", data, box - 4, struct.unpack_from(">I", data, box - 4)[0] + 8)
    path.write_bytes(data)
    assert_close(colors(probe_video(path))[0], COLOR)


@pytest.mark.parametrize(("size", "name"), [((1, 1), "a.avif"), ((10, 40), "a.tif"), ((40, 15), "a.png")])
def test_tiny_image_with_a_profile(size: tuple[int, int], name: str, tmp_path: Path):
    path = save(tmp_path / name, Image.new("RGB", size), icc_profile=P3)
    with pytest.raises(InputError, match="the minimum is 16×16") as caught:
        probe_video(path)
    assert caught.value.code == "picture-too-small"


@pytest.mark.parametrize("lossless", [True, False])
def test_animated_webp_is_a_video(lossless: bool, tmp_path: Path):
    path = tmp_path / "a.webp"
    first, *others = (plain((level, level, level)) for level in (40, 100, 160, 220))
    first.save(path, save_all=True, append_images=others, duration=[100, 100, 300, 100], lossless=lossless)
    video = probe_video(path)
    assert (video.is_still, video.fps, video.frames, video.width, video.height) == (False, 10, 6, *SIZE)
    levels = [(float(frame[: SIZE[1]].mean()) - 16) * 255 / 219 for frame in read_frames(video)]
    assert levels == pytest.approx([40, 100, 160, 160, 160, 220], abs=3)
