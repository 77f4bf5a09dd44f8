"""Media that many tests read."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

from media_factory import make_audio, make_image, make_video

pytest_plugins = ["random_file_counts"]

# The tests may have been started with signals ignored (nohup, a shell's &), which child processes would inherit.
for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, signal.default_int_handler if ignored == signal.SIGINT else signal.SIG_DFL)

# On a busy machine an example can take any time; speed is measured in benchmarks.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_configure(config: pytest.Config) -> None:
    # Of several processes (-n) each runs whole files, which share what is slow to make, in the order of the folders:
    # sorted by their number of tests, as usual, the slowest would be among the last.
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist, config.option.loadscopereorder = "loadfile", False


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for media that are created once."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def clip(media: Path) -> Path:
    """One second of 160×120 at 25 frames per second, with audio."""
    return make_video(media / "clip.mp4", audio=True)


@pytest.fixture(scope="session")
def voice(media: Path) -> Path:
    """1.23 s of audio, not a whole number of frames."""
    return make_audio(media / "voice.wav", seconds=1.23)


@pytest.fixture(scope="session")
def image(media: Path) -> Path:
    """A still image."""
    return make_image(media / "image.png")
