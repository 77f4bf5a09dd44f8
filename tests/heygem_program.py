"""``heygem render`` with the HeyGem installation of ``heygem_stand_in``."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from heygem_stand_in import environment, processes_of


class Program:
    """``heygem`` in an empty folder, with an environment that selects the fake installation."""

    def __init__(self, home: Path, clips: Path, folder: Path) -> None:
        self.home, self.clips, self.folder = home, clips, folder

    def start(self, *args, **variables):
        command = [sys.executable, "-m", "heygem_cli", *map(str, args)]
        return subprocess.Popen(
            command, cwd=self.folder, env=environment(self.home, **variables), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def render(self, *args, audio="voice.wav", face="face.mp4", **variables):
        process = self.start("render", self.clips / audio, self.clips / face, "-o", "out.mp4", *args, **variables)
        out, err = process.communicate(timeout=100)
        assert "Traceback" not in err
        self.check_nothing_is_left()
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def error(self, *args, **variables):
        """Return the exit code, the error code, and message and hint of a render that fails and writes nothing."""
        done = self.render("--json", *args, **variables)
        error = json.loads(done.stdout)["error"]
        assert list(self.folder.iterdir()) == []
        return done.returncode, error["code"], error["message"] + error["hint"]

    def check_nothing_is_left(self):
        deadline = time.monotonic() + 10
        while processes_of(self.home) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert processes_of(self.home) == []
        assert [path.name for name in ("result", "temp") for path in (self.home / name).iterdir()] == []


def wait_for_jobs(process, home, count=1):
    """Wait until HeyGem has started this many jobs."""
    started = home / "jobs.txt"
    while not started.exists() or len(started.read_text().splitlines()) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
