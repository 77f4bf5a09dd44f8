"""The image of ``docker/Dockerfile``, built on a Debian that debootstrap makes, and its containers.

To run its tests on Debian, as root: ``apt-get install podman runc debootstrap``. The first build takes minutes and
downloads half a gigabyte; later ones use the base that Podman has kept and the packages that pip has. It needs three
gigabytes of disk.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import uuid
from pathlib import Path

ROOT = Path(__file__).parents[1]
BASE = "heygem-test-debian"
IMAGE = "heygem-test"
CERTIFICATES = Path("/etc/ssl/certs")
PIP_FILES = (Path(os.environ.get("PIP_CONFIG_FILE", "")), Path.home() / ".config/pip/pip.conf", Path("/etc/pip.conf"))
ANYBODY = 4321
"""A user of whom no container has an entry."""


def why_not() -> str:
    """Return why the image cannot be built here; empty if it can."""
    programs = [name for name in ("podman", "runc", "debootstrap") if shutil.which(name) is None]
    if programs:
        return f"needs {', '.join(programs)}"
    return "" if os.geteuid() == 0 else "needs root"


def build(folder: Path, *options: str) -> None:
    """Build the image, and before that its base if that is missing, in an empty folder."""
    if podman("image", "exists", BASE, check=False).returncode:
        root = folder / "debian"
        subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root], check=True)
        archive = folder / "debian.tar"
        subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
        podman("import", str(archive), BASE)
        shutil.rmtree(root)
    # In the network of this machine, and with its certificates and its settings of pip.
    settings = [f"id=pip.conf,src={path}" for path in PIP_FILES if path.is_file()]
    network = [
        "--network",
        "host",
        "-v",
        f"{CERTIFICATES}:{CERTIFICATES}:ro",
        *(f"--secret={each}" for each in settings[:1]),
    ]
    # An image that only loses its name would stay, a gigabyte at each run of the tests.
    podman("image", "rm", "--force", "--ignore", IMAGE)
    podman(
        "build", "--layers=false", *runtime_limits(), *network, "--format", "docker", "--build-arg",
        f"BASE=localhost/{BASE}", *options,
        "-f", str(ROOT / "docker" / "Dockerfile"), "-t", IMAGE, str(ROOT),
    )  # fmt: skip


def podman(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Podman with the runtime that works without systemd."""
    done = subprocess.run(["podman", "--runtime", "runc", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def runtime_limits() -> tuple[str, ...]:
    """Return options that keep the limits of containers within those of this process."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return "--ulimit", f"nofile={files}:{files}", "--ulimit", "nproc=500:500"


class Containers:
    """Containers of the image that work in a folder, which belongs to :data:`ANYBODY`; ``close`` removes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def run(self, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a container to its end, with a read-only root, without network and without capabilities."""
        name = f"heygem-test-{uuid.uuid4().hex[:8]}"
        self.names.append(name)
        return podman(
            "run", "--name", name, *runtime_limits(), "--network", "none", "--read-only", "--cap-drop", "all",
            "--passwd=false", "--user", f"{ANYBODY}:{ANYBODY}", "-v", f"{self.folder}:/data", *options, IMAGE, *command,
            check=False,
        )  # fmt: skip

    def start(self, *command: str, options: tuple[str, ...] = ()) -> str:
        """Start such a container, and return its name."""
        done = self.run(*command, options=("--detach", *options))
        assert done.returncode == 0, done.stderr
        return self.names[-1]

    def close(self) -> None:
        """Remove all containers with their volumes."""
        for name in self.names:
            podman("rm", "-f", "-v", "-t", "0", name, check=False)
