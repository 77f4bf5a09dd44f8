"""Detection of results that only encode the frames of the face video again."""

import pytest

from heygem_cli.errors import StoppedError
from heygem_cli.heygem.compare import has_same_frames
from heygem_cli.media.probe_video import probe_video
from media_factory import ffmpeg
from portrait import make_face_video, scene

MOUTH = "drawbox=x=146:y=140:w=28:h=12:color=black:t=fill:enable='gte(n,{})'"


@pytest.fixture(scope="module")
def face(media):
    return make_face_video(media / "nods.mp4", [scene(320, 240, (160 + k % 9, 120, 220)) for k in range(25)])


def same_after_ffmpeg(face, path, *args):
    ffmpeg("-i", face, *args, path)
    return has_same_frames(probe_video(path), probe_video(face))


@pytest.mark.parametrize(
    "codec",
    [
        ("-c:v", "libx264", "-crf", "18"),
        ("-c:v", "libx264", "-crf", "32"),
        ("-c:v", "mpeg4"),
        ("-c:v", "libx264", "-vf", "format=bgr24,scale=out_color_matrix=bt709,format=yuv420p"),
        ("-c:v", "libx264", "-vf", "eq=brightness=0.05"),
    ],
)
def test_reencoded_video_has_the_same_frames(face, codec, tmp_path):
    assert same_after_ffmpeg(face, tmp_path / "same.mp4", *codec)


@pytest.mark.parametrize("first", [0, 20])
def test_new_mouth_in_any_frame_is_a_difference(face, first, tmp_path):
    assert not same_after_ffmpeg(face, tmp_path / "new.mp4", "-vf", MOUTH.format(first))


def test_looped_video_has_the_same_frames(face, tmp_path):
    assert same_after_ffmpeg(face, tmp_path / "loop.mp4", "-vf", "loop=-1:25", "-frames:v", 60)


def test_other_size_is_a_difference(face, tmp_path):
    assert not same_after_ffmpeg(face, tmp_path / "small.mp4", "-vf", "scale=160:120")


def test_exception_of_tick_ends_the_comparison(face):
    def tick():
        raise StoppedError(15)

    with pytest.raises(StoppedError):
        has_same_frames(probe_video(face), probe_video(face), tick)
