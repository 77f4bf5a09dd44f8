"""Files with an order of channels of their own, which PyAV frees twice: the probe survives them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from media_factory import ffmpeg

PROBE = "import sys; from pathlib import Path; from heygem_cli.media.probe_audio import probe_audio\n" + (
    "for _ in range(20): print(probe_audio(Path(sys.argv[1])).channels)"
)


@pytest.mark.parametrize(("suffix", "order"), [("aiff", "7.1"), ("caf", "7.1"), ("mov", "FR+FL")])
def test_order_of_channels_that_is_the_files_own(suffix: str, order: str, tmp_path: Path):
    path = tmp_path / f"sound.{suffix}"
    codec = "pcm_s16be" if suffix == "aiff" else "pcm_s16le"
    ffmpeg("-f", "lavfi", "-i", f"anoisesrc=duration=0.5,pan={order}|c0=c0|c1=c0", "-c:a", codec, path)
    # Memory that was freed gets other contents, so that using it, or freeing it again, is noticed.
    environment = {**os.environ, "MALLOC_PERTURB_": "165"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, path], env=environment, check=False, capture_output=True, text=True
    )
    assert (done.returncode, set(done.stdout.split())) == (0, {"2" if order == "FR+FL" else "8"}), done.stderr
