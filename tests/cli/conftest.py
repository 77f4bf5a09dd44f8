"""Fixtures for tests of batches: media files that all share, and a folder with a copy of them for each test."""

import shutil
import subprocess
import sys

import pytest

from batch_program import Batch
from portrait import make_face_video, make_voice, scene


@pytest.fixture(scope="session")
def batch_inputs(media, clip):
    """A folder with a face, another one, a video without any, and voices."""
    folder = media / "batch"
    folder.mkdir()
    for name, size in (("face.mp4", 200), ("other.mp4", 180)):
        make_face_video(folder / name, [scene(256, 256, (128 + k, 140, size)) for k in range(4)])
    shutil.copy(clip, folder / "nobody.mp4")
    for name, seconds in (("a.wav", 0.4), ("b.wav", 0.6), ("c.wav", 0.5), ("long.wav", 10), ("minute.wav", 60)):
        make_voice(folder / name, seconds)
    return folder


@pytest.fixture
def batch(batch_inputs, tmp_path):
    folder = tmp_path / "list"
    shutil.copytree(batch_inputs, folder)
    return Batch(folder, tmp_path / "cache")


@pytest.fixture
def shell(batch, tmp_path):
    """Runs a command with ``heygem`` on the PATH; the folder of the batch has a space in its name."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "heygem"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m heygem_cli "$@" --preset ultrafast\n')
    program.chmod(0o755)
    batch.folder = batch.folder.rename(batch.folder.with_name("the list"))
    batch.manifest = batch.folder / "m.csv"
    batch.manifest.write_text("audio,face,id\n" + "".join(f"{audio}.wav,face.mp4,{audio}\n" for audio in "abc"))

    def run(*command, **environment):
        path = f"{tmp_path / 'bin'}:{batch.environment['PATH']}"
        return subprocess.run(
            list(map(str, command)), env={**batch.environment, "PATH": path, **environment}, cwd=tmp_path,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run
