"""Containers for tests: real ones of Podman where it is installed, else a fake ``docker``.

To run the tests of real containers on Debian: ``apt-get install podman runc busybox-static``, as root. They need no
registry: the image is busybox and the machine's own /usr with its Python.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

SYSTEM_PYTHON = Path("/usr/bin/python3")
IMAGES = {"busybox": "heygem-test-busybox", "python": "heygem-test-python"}


class Podman:
    """Starts containers and removes them; ``reason`` says why it cannot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []
        self.reason = self._missing() or self._import_images()

    def _missing(self) -> str:
        programs = [name for name in ("podman", "runc", "busybox") if shutil.which(name) is None]
        if programs:
            return f"{', '.join(programs)} not installed"
        return "" if os.geteuid() == 0 and SYSTEM_PYTHON.exists() else "needs root and a Python in /usr"

    def _import_images(self) -> str:
        for kind, image in IMAGES.items():
            if subprocess.run(["podman", "image", "exists", image], check=False).returncode == 0:
                continue
            root = self.folder / kind
            for name in ("proc", "dev", "sys", "tmp", "etc", "usr"):
                (root / name).mkdir(parents=True)
            if kind == "busybox":
                (root / "bin").mkdir()
                shutil.copy(str(shutil.which("busybox")), root / "bin/busybox")
                for name in ("sh", "cat", "ls", "cp", "mv", "rm", "df", "wc", "mkdir", "readlink", "chmod", "sleep"):
                    (root / "bin" / name).symlink_to("busybox")
            else:
                for name in ("bin", "lib", "lib64"):
                    (root / name).symlink_to(f"usr/{name}")
            archive = subprocess.run(["tar", "-C", root, "-c", "."], capture_output=True, check=True).stdout
            done = subprocess.run(["podman", "import", "-", image], input=archive, capture_output=True, check=False)
            if done.returncode:
                return done.stderr.decode()
        return ""

    def run(self, home: Path, *command: str, kind: str = "python", options: tuple[str, ...] = ()) -> str:
        """Start a container with an installation in /code, and return its name."""
        name = f"heygem-test-{uuid.uuid4().hex[:8]}"
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        arguments = ["--network", "none", "--ulimit", f"nofile={files}:{files}", "--ulimit", "nproc=500:500"]
        volumes = ["-v", "/usr:/usr:ro"] if kind == "python" else []
        subprocess.run(
            ["podman", "--runtime", "runc", "run", "-d", "--name", name, *arguments, *options, *volumes,
             "-v", f"{home}:/code", "-w", "/code", IMAGES[kind], *command],
            check=True, capture_output=True,
        )  # fmt: skip
        self.names.append(name)
        return name

    def close(self) -> None:
        for name in self.names:
            subprocess.run(["podman", "rm", "-f", "-t", "0", name], check=False, capture_output=True)


class FakeDocker:
    """A program ``docker`` that knows one container: commands run here, and its folders are this machine's.

    Args:
        folder: Where the program is written.
        home: The working folder of the container.
        has_python: Whether the container can run Python.
    """

    def __init__(self, folder: Path, home: Path, *, has_python: bool = True, running: bool = True) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.calls = folder / "calls"
        self.calls.touch()
        facts = {
            "Config": {"Env": [f"PATH={os.environ['PATH']}", "OMP_NUM_THREADS=4"], "WorkingDir": str(home)},
            "HostConfig": {"ShmSize": 64 << 20},
            "State": {"Running": running, "Status": "running" if running else "exited", "ExitCode": 137},
        }
        (folder / "facts.json").write_text(json.dumps([facts]))
        (folder / "printed").write_text("")
        program = folder / "docker"
        program.write_text(
            f"#!{sys.executable}\n"
            + textwrap.dedent(f"""\
            import json, os, subprocess, sys
            folder, has_python = {str(folder)!r}, {has_python}
            command, *rest = sys.argv[1:]
            with open(folder + "/calls", "a") as calls:
                calls.write(" ".join(sys.argv[1:3]) + "\\n")
            if command == "inspect":
                known = rest[-1] == "server"
                print(open(folder + "/facts.json").read() if known else "[]")
                sys.exit(not known)
            if command == "ps":
                print("server")
            elif command == "logs":
                print(open(folder + "/printed").read(), end="")
            elif command == "top":
                print("PID COMMAND\\n7 python app.py")
            elif command == "restart":
                sys.exit(subprocess.call([folder + "/on-restart"]) if os.path.exists(folder + "/on-restart") else 0)
            elif command == "exec":
                rest.remove("-i")
                while rest[0] == "-e":
                    name, value = rest[1].split("=", 1)
                    os.environ[name] = value
                    del rest[:2]
                if "python" in rest[1] and not has_python:
                    sys.exit(127)
                os.environ["OMP_NUM_THREADS"] = "4"
                try:
                    os.execvp(rest[1], rest[1:])
                except FileNotFoundError:
                    sys.exit(127)
            """)
        )
        program.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.folder}:{os.environ['PATH']}"}
