"""Media that many tests read and none changes."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

from media_factory import make_audio, make_picture, make_video

# Whoever started the tests may have them ignore signals (nohup, a shell's &); the programs that they start would, too.
for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, signal.default_int_handler if ignored == signal.SIGINT else signal.SIG_DFL)

# How long an example takes says how busy the machine is; speed is measured in benchmarks.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for media that are made once."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def clip(media: Path) -> Path:
    """One second of 160×120 at 25 frames a second, with sound."""
    return make_video(media / "clip.mp4", sound=True)


@pytest.fixture(scope="session")
def voice(media: Path) -> Path:
    """1.23 s of sound, not a whole number of frames."""
    return make_audio(media / "voice.wav", seconds=1.23)


@pytest.fixture(scope="session")
def picture(media: Path) -> Path:
    """A still image."""
    return make_picture(media / "picture.png")
