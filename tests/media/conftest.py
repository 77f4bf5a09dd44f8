"""What many tests of media read."""

from pathlib import Path

import pytest

from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.types import VideoInfo


@pytest.fixture
def small(clip: Path) -> VideoInfo:
    """The properties of the clip."""
    return probe_video(clip)
