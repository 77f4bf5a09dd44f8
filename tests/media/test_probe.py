"""Probe valid and invalid media files."""

import os
import socket
from fractions import Fraction
from pathlib import Path

import pytest

from heygem_cli.errors import InputError
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_output import probe_output
from heygem_cli.media.probe_video import probe_video
from media_factory import X264, ffmpeg, make_audio, make_image, make_video
from unprivileged import unprivileged


def code_of(probe, path: Path) -> str:
    """Return the code of the error, which must name the file and be one line."""
    with pytest.raises(InputError) as caught:
        probe(path)
    assert caught.value.exit_code == 2
    assert caught.value.path == path
    assert "\n" not in str(caught.value)
    return caught.value.code


def test_video_properties(clip: Path):
    info = probe_video(clip)
    assert (info.width, info.height, info.fps, info.frames) == (160, 120, 25, 25)
    assert (info.codec, info.pixel_format, info.is_still, info.stream.demuxer) == ("h264", "yuv420p", False, "mov")


def test_audio_properties(clip: Path):
    info = probe_audio(clip)
    assert info.duration == pytest.approx(1.0, abs=0.03)
    assert (info.codec, info.sample_rate, info.channels) == ("aac", 44100, 1)


@pytest.mark.parametrize("probe", [probe_video, probe_audio])
def test_paths_that_are_not_files(probe, tmp_path: Path):
    (tmp_path / "empty.mp4").touch()
    assert code_of(probe, tmp_path / "missing.mp4") == "not-found"
    assert code_of(probe, tmp_path / "empty.mp4" / "child.mp4") == "not-found"
    assert code_of(probe, tmp_path) == "is-a-directory"
    assert code_of(probe, tmp_path / "empty.mp4") == "empty-file"
    assert code_of(probe, tmp_path / ("x" * 300)) == "unreadable-file"
    assert code_of(probe, Path("/dev/null")) == "not-a-file"


def test_a_name_in_other_case_is_suggested(tmp_path):
    (tmp_path / "Anna.MP4").touch()
    (tmp_path / "gone.mp4").symlink_to("nothing")
    hints = {
        "anna.mp4": "Did you mean Anna.MP4? Upper and lower case differ",
        "gone.mp4": "",
        "b\0.mp4": "",
        "c/d.mp4": "",
    }
    for name, hint in hints.items():
        with pytest.raises(InputError) as caught:
            probe_video(tmp_path / name)
        assert (caught.value.code, caught.value.hint) == ("not-found", hint)


def test_unreadable_paths_have_a_remedy(tmp_path):
    loop, long = tmp_path / "loop.mp4", tmp_path / ("x" * 300)
    loop.symlink_to(loop)
    for path, said in {
        loop: "this link leads back to itself. Name the file itself",
        long: "the name is too long for a file. Check the path",
    }.items():
        with pytest.raises(InputError) as caught:
            probe_video(path)
        assert (caught.value.code, str(caught.value)) == ("unreadable-file", f"{path}: {said}")


@pytest.mark.parametrize("probe", [probe_video, probe_audio])
def test_special_files_are_refused_without_being_read(probe, clip: Path, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/proc/self/mem")
    with socket.socket(socket.AF_UNIX) as bound, clip.open("rb") as opened:
        bound.bind(str(tmp_path / "socket"))
        of_process = [f"/dev/fd/{opened.fileno()}", f"/proc/self/fd/{opened.fileno()}", "/proc/self/mem", "/proc/kmsg"]
        for name in ("/dev/zero", "/dev/full", "/dev/tty", "/proc/self/maps", "/sys/kernel/notes", *of_process):
            if Path(name).exists():
                assert code_of(probe, Path(name)) == "not-a-file"
        for name in ("pipe", "socket", "link"):
            assert code_of(probe, tmp_path / name) == "not-a-file"


def test_file_reached_through_a_folder_of_proc_is_read(clip: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(clip.parent)
    assert probe_video(Path("/proc/self/cwd") / clip.name).frames == 25


@pytest.mark.parametrize("probe", [probe_video, probe_audio])
def test_file_without_permission(probe, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("locked.mp4").write_bytes(clip.read_bytes())
    Path("locked.mp4").chmod(0)
    with unprivileged():
        assert code_of(probe, Path("locked.mp4")) == "no-permission"


@pytest.mark.parametrize("probe", [probe_video, probe_audio])
def test_mp4_without_index_is_truncated(probe, clip: Path, tmp_path: Path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:4000])
    assert code_of(probe, cut) == "cut-off-file"


@pytest.mark.parametrize("probe", [probe_video, probe_audio])
@pytest.mark.parametrize("content", [b"hello\n" * 1000, bytes(range(256)) * 40, b"PK\x03\x04" + bytes(5000)])
def test_file_that_is_not_media(probe, content: bytes, tmp_path: Path):
    (tmp_path / "wrong.mp4").write_bytes(content)
    assert code_of(probe, tmp_path / "wrong.mp4") == "unreadable-media"


def test_playlist_does_not_open_other_files(clip: Path, tmp_path: Path):
    ffmpeg("-i", clip, "-c", "copy", tmp_path / "part.ts")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\npart.ts\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile part.ts\n")
    assert code_of(probe_video, tmp_path / "list.m3u8") == "unreadable-media"
    assert code_of(probe_video, tmp_path / "list.mp4") == "unreadable-media"
    absolute = (tmp_path / "list.m3u8").read_text().replace("part.ts", f"file://{tmp_path}/part.ts")
    (tmp_path / "list.m3u8").write_text(absolute)
    assert code_of(probe_video, tmp_path / "list.m3u8") == "unreadable-media"


def test_audio_file_has_no_video_stream(voice: Path):
    assert code_of(probe_video, voice) == "no-video-stream"


def test_cover_art_is_not_video(voice: Path, image: Path, tmp_path: Path):
    song = tmp_path / "song.mp3"
    ffmpeg("-i", voice, "-i", image, "-map", 0, "-map", 1, "-disposition:v", "attached_pic", song)
    assert code_of(probe_video, song) == "cover-art-only"
    assert probe_audio(song).codec == "mp3"


def test_video_without_audio_stream(tmp_path: Path):
    assert code_of(probe_audio, make_video(tmp_path / "silent.mp4")) == "no-audio-stream"


def test_image_is_not_audio(image: Path):
    assert code_of(probe_audio, image) == "picture-not-audio"


def test_audio_without_samples(tmp_path: Path):
    assert code_of(probe_audio, make_audio(tmp_path / "nothing.wav", seconds=0.1, extra=("-t", "0"))) == "no-samples"


@pytest.mark.parametrize("name", ["broken.jpg", "broken.png"])
def test_image_that_cannot_be_decoded(name: str, tmp_path: Path):
    whole = make_image(tmp_path / name)
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:150])
    assert code_of(probe_video, tmp_path / "cut") == "no-frames"


def test_image_that_is_too_small(tmp_path: Path):
    assert code_of(probe_video, make_image(tmp_path / "dot.png", size=(8, 8))) == "picture-too-small"


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff"])
def test_still_images(suffix: str, tmp_path: Path):
    info = probe_video(make_image(tmp_path / f"still.{suffix}", size=(161, 121)))
    assert (info.width, info.height, info.frames, info.is_still, info.fps) == (160, 120, 1, True, 25)
    assert info.is_converted or info.stream.demuxer.endswith("_pipe")  # image2 would interpret the name as a pattern


def test_format_is_detected_from_content_not_from_name(image: Path, tmp_path: Path):
    wrong = tmp_path / "photo%03d.jpg"
    wrong.write_bytes(image.read_bytes())
    assert probe_video(wrong).codec == "png"


@pytest.mark.parametrize(("degrees", "size"), [(0, (160, 120)), (90, (120, 160)), (180, (160, 120)), (270, (120, 160))])
def test_display_matrix_rotates_video(degrees: int, size: tuple[int, int], clip: Path, tmp_path: Path):
    ffmpeg("-display_rotation", degrees, "-i", clip, "-c", "copy", tmp_path / "rotated.mp4")
    info = probe_video(tmp_path / "rotated.mp4")
    assert (info.width, info.height) == size


def test_sample_aspect_ratio(tmp_path: Path):
    wide = make_video(tmp_path / "wide.mp4", filters="setsar=16/11", seconds=0.2)
    assert probe_video(wide).sample_aspect_ratio == Fraction(16, 11)
    ffmpeg("-display_rotation", 90, "-i", wide, "-c", "copy", tmp_path / "rotated.mp4")
    assert probe_video(tmp_path / "rotated.mp4").sample_aspect_ratio == Fraction(11, 16)


def test_colour_tags(tmp_path: Path):
    tags = "setparams=range=tv:color_primaries=smpte170m:color_trc=bt709:colorspace=smpte170m"
    color = probe_video(make_video(tmp_path / "tagged.mp4", filters=tags, seconds=0.2)).color
    assert (color.primaries, color.transfer, color.matrix) == ("smpte170m", "bt709", "smpte170m")


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "60", "240"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.webm"])
def test_constant_rates_are_exact(rate: str, name: str, tmp_path: Path):
    codec = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8") if name == "a.webm" else X264
    info = probe_video(make_video(tmp_path / name, rate=rate, codec=codec, seconds=0.5))
    assert info.fps == Fraction(rate)
    assert info.frames == pytest.approx(float(Fraction(rate) / 2), abs=1)


def test_a_few_dropped_frames_do_not_change_the_rate(tmp_path: Path):
    dropping = make_video(tmp_path / "drops.mkv", rate="30", seconds=3, filters="select='not(eq(mod(n,31),30))'")
    assert probe_video(dropping).fps == 30


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_variable_rate_becomes_that_at_which_all_frames_are_shown(name: str, tmp_path: Path):
    # 20 frames in the first second, 10 in the second, 20 in the third.
    times = "setpts='if(lt(N,20),N/20,if(lt(N,30),1+(N-20)/10,2+(N-30)/20))/TB',settb=1/1000"
    info = probe_video(make_video(tmp_path / name, rate="50", seconds=1, filters=times))
    assert info.fps == 20
    assert info.frames == pytest.approx(60, abs=1)


def test_wrong_declared_rate_is_measured(tmp_path: Path):
    uneven = "settb=1/1000,setpts='(N+0.35*sin(N*N))/28.3/TB'"
    path = make_video(tmp_path / "a.mkv", rate="30", seconds=5, filters=uneven, extra=("-enc_time_base", "1:1000"))
    assert float(probe_video(path).fps) == pytest.approx(28.3, rel=0.01)  # the header says 30


def test_implausible_rates_are_replaced(tmp_path: Path):
    slides = make_video(tmp_path / "slides.mp4", rate="1", seconds=3)
    assert probe_video(slides).fps == 25
    fast = make_video(tmp_path / "fast.mkv", rate="25", seconds=2, filters="setpts=N/1000/TB,settb=1/1000")
    assert probe_video(fast).fps == 240


def test_video_of_one_frame(tmp_path: Path):
    info = probe_video(make_video(tmp_path / "one.mp4", extra=("-frames:v", "1")))
    assert (info.frames, info.is_still) == (1, False)


def test_animated_gif_is_a_video(tmp_path: Path):
    info = probe_video(make_video(tmp_path / "animated.gif", rate="10", seconds=0.5, codec=()))
    assert (info.is_still, info.frames, info.fps) == (False, 5, 10)


def test_output_properties(clip: Path):
    info = probe_output(clip)
    assert info.video_seconds == pytest.approx(1.0, abs=0.001)
    assert info.audio_seconds == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"), [("wav", 8000, 1), ("flac", 96000, 2), ("wav", 48000, 6), ("ogg", 44100, 2)]
)
def test_audio_formats(suffix: str, rate: int, channels: int, tmp_path: Path):
    info = probe_audio(make_audio(tmp_path / f"a.{suffix}", seconds=0.7, rate=rate, channels=channels))
    assert (info.sample_rate, info.channels) == (rate, channels)
    assert info.duration == pytest.approx(0.7, abs=0.002)


def test_gif_of_one_image_is_a_still_image(tmp_path: Path):
    info = probe_video(make_image(tmp_path / "still.gif"))
    assert (info.is_still, info.fps, info.frames) == (True, 25, 1)
    animated = make_video(tmp_path / "animated.gif", rate="10", codec=("-c:v", "gif"))
    assert not probe_video(animated).is_still


def test_truncated_files(tmp_path: Path):
    movie = make_video(tmp_path / "movie.mp4", audio=True, seconds=2, extra=("-movflags", "+faststart"))
    voice, image = make_audio(tmp_path / "voice.wav"), make_image(tmp_path / "image.jpg")
    for probe, whole in ((probe_video, movie), (probe_audio, movie), (probe_audio, voice), (probe_video, image)):
        cut = tmp_path / f"cut-{whole.name}"
        cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
        assert code_of(probe, cut) == "cut-off-file"


def test_wav_of_unknown_length_is_not_truncated(tmp_path: Path):
    data = bytearray(make_audio(tmp_path / "voice.wav").read_bytes())
    data[4:8] = b"\xff\xff\xff\xff"
    (tmp_path / "streamed.wav").write_bytes(data)
    assert probe_audio(tmp_path / "streamed.wav").duration == pytest.approx(1, abs=0.01)
