"""The layout of an installation, and its running processes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.files import exists, is_file, is_folder, matches, read_or_empty, real_path

HOME_VARIABLE = "HEYGEM_HOME"
HOME_HINT = f"Name HeyGem's root folder with --home or {HOME_VARIABLE}"
CONFIG_INI = Path("config/config.ini")
OPT_TXT = Path("landmark2face_wy/checkpoints/test/opt.txt")
APP = Path("app.py")
SERVICE = Path("service/trans_dh_service")
"""The module that starts HeyGem's workers, without its suffix."""
LOG = Path("log/dh.log")
COMPOSE_NAMES = ("docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml")

MODEL_FILES = (
    Path("face_attr_detect/face_attr_epoch_12_220318.onnx"),
    Path("face_detect_utils/resources/pfpld_robust_sim_bs1_8003.onnx"),
    Path("face_detect_utils/resources/scrfd_500m_bnkps_shape640x640.onnx"),
    Path("face_detect_utils/resources/model_float32.onnx"),
    Path("landmark2face_wy/checkpoints/anylang/dinet_v1_20240131.pth"),
    Path("pretrain_models/face_lib/face_parsing/79999_iter.onnx"),
    Path("pretrain_models/face_lib/face_restore/gfpgan/GFPGANv1.4.onnx"),
    Path("xseg/xseg_211104_4790000.onnx"),
    Path("wenet/examples/aishell/aidata/exp/conformer/wenetmodel.pt"),
)
"""The files that ``download.sh`` downloads."""

_REQUIREMENT = re.compile(r"([A-Za-z][\w.-]*)(?:[ \t]*[=~<>!]=?=?[ \t]*[\w.*+]+)?(?=[ \t]*(?:$|#))")
_REPLACED = ("onnxruntime", "opencv", "torch", "nvidia-", "cuda-", "pip", "setuptools", "wheel")
_COMPILED = re.compile(r"\.cpython-(\d)(\d+)-[\w-]+\.so$")
_SKIPPED = {"site-packages", "node_modules", "result", "results", "temp", "log", "data", "venv", "__pycache__"}
_MAX_DEPTH = 4


@dataclass(frozen=True)
class Process:
    """A running Python process of an installation."""

    pid: int
    arguments: tuple[str, ...]
    parent: int = 0

    @property
    def command(self) -> str:
        """The command line."""
        return " ".join(self.arguments)


def is_installation(folder: Path) -> bool:
    """Return whether a folder is the root of an installation: it has HeyGem's service, or its network and a script."""
    if matches(folder, f"{SERVICE}.*"):
        return True
    parts = ("run.py", APP, "app_local.py", CONFIG_INI)
    return is_folder(folder / OPT_TXT.parts[0]) and any(exists(folder / part) for part in parts)


def is_source_variant(folder: Path) -> bool:
    """Return whether HeyGem's core is Python source instead of compiled modules."""
    return is_file((folder / SERVICE).with_suffix(".py"))


def is_elsewhere(home: Path, file: Path) -> bool:
    """Return whether a tree of Python source does not have the folder of a file: then it is not its place either."""
    return is_source_variant(home) and not exists(home / file.parts[0])


def find_home(named: Path | None, environment: Mapping[str, str], folder: Path) -> Path | None:
    """Find the installation: the one named, else ``HEYGEM_HOME``, else the one that contains ``folder``.

    Raises:
        InputError: The named folder does not exist.
    """
    if named is None and environment.get(HOME_VARIABLE):
        named = Path(environment[HOME_VARIABLE])
    if named is None:
        folder = real_path(folder)
        return next((parent for parent in (folder, *folder.parents) if is_installation(parent)), None)
    if not is_folder(named):
        raise InputError("home-missing", "there is no such folder", path=named, hint=HOME_HINT)
    return real_path(named)


def required_packages(home: Path) -> dict[str, str]:
    """Return the packages of requirements.txt by normalised name, as pip takes them, and typeguard, which wenet needs.

    Packages that others replace, such as another build of OpenCV, are left out.
    """
    path = home / "requirements.txt"
    lines = read_or_empty(path).decode(errors="replace").splitlines()
    found = {
        re.sub(r"[-_.]+", "-", match[1]).lower(): match[0] for line in lines if (match := _REQUIREMENT.match(line))
    }
    if lines and is_folder(home / "wenet"):
        found.setdefault("typeguard", "typeguard")
    return {name: line for name, line in found.items() if not name.startswith(_REPLACED)}


def find_compose(home: Path) -> Path | None:
    """Return the compose file of an installation, or None; in the folder ``deploy``, the one for Linux comes first."""
    found = [home / name for name in COMPOSE_NAMES if os.path.lexists(home / name)]
    for pattern in ("docker-compose-linux.y*ml", "docker-compose*.y*ml"):
        found += matches(home / "deploy", pattern)
    return next(iter(found), None)


def compiled_modules(home: Path) -> dict[str, int]:
    """Count the compiled modules by Python version, such as ``{"3.8": 14}``."""
    counts: dict[str, int] = {}
    for name in _file_names(home, _MAX_DEPTH):
        if tag := _COMPILED.search(name):
            version = f"{tag[1]}.{tag[2]}"
            counts[version] = counts.get(version, 0) + 1
    return counts


def _file_names(folder: Path, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield entry.name
            elif depth and entry.name not in _SKIPPED and not entry.name.startswith("."):
                yield from _file_names(Path(entry.path), depth - 1)


def processes(home: Path, proc: Path) -> list[Process]:
    """Return the Python processes of an installation: its main scripts and their workers.

    Processes of other users and of containers are visible only to root.
    """
    running = []
    for pid in sorted(int(folder.name) for folder in proc.glob("[0-9]*") if folder.name.isdecimal()):
        folder = proc / str(pid)
        try:
            arguments = (folder / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
            if (folder / "cwd").readlink() == home and _is_worker(arguments, folder):
                # The name of the program, in brackets, may contain spaces.
                parent = int((folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
                running.append(Process(pid, tuple(arguments), parent))
        except (OSError, ValueError, IndexError):
            continue  # it has just ended, or belongs to another user
    return running


def main_processes(home: Path, proc: Path) -> list[Process]:
    """Return the processes of an installation that are not children of others: one for each HeyGem that was started."""
    running = processes(home, proc)
    pids = {each.pid for each in running}
    return [each for each in running if each.parent not in pids and "--multiprocessing-fork" not in each.arguments]


def all_installations(proc: Path) -> list[Process]:
    """Return the main process of each HeyGem on this machine, in containers, too, where they are visible."""
    homes = set()
    for folder in proc.glob("[0-9]*"):
        try:
            if b"python" in (folder / "cmdline").read_bytes() and is_installation(folder / "cwd"):
                homes.add((folder / "cwd").readlink())
        except OSError:
            continue  # it has just ended, or belongs to another user
    return [each for home in sorted(homes) for each in main_processes(home, proc)]


def _is_worker(arguments: list[str], process: Path) -> bool:
    """Return whether a command line runs a script of the installation, or is a multiprocessing child of one."""
    if "python" not in Path(arguments[0]).name:
        return False
    if "--multiprocessing-fork" in arguments:
        return True
    # Seen through the process, whose folders may be those of a container.
    scripts = [each for each in arguments[1:] if each.endswith(".py")]
    return any(is_file(process / ("root" if each.startswith("/") else "cwd") / each.lstrip("/")) for each in scripts)


def process_environment(pid: int, proc: Path) -> dict[str, str] | None:
    """Return the environment with which a process was started; None if it cannot be read."""
    try:
        pairs = (proc / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)
