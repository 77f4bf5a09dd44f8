"""The folders, programs and libraries that checks examine, so that tests can provide their own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from heygem_cli.doctor.log_file import LogText
from heygem_cli.doctor.machine import Machine
from heygem_cli.face.cache import default_cache_folder
from heygem_cli.files import temporary_folder
from heygem_cli.folder_map import FolderMap
from heygem_cli.onnx import models_folder
from heygem_cli.processes import import_folders


@dataclass(frozen=True)
class Inputs:
    """The machine, the installation and the service to check.

    Attributes:
        machine: How commands run and where files are: here, or in a container.
        python: The interpreter that runs heygem, which looks for packages in the folders ``packages``.
        nvml: NVIDIA's management library.
        library_folders: Folders that may contain CUDA libraries but that the loader does not search.
        home: The root of the HeyGem installation, resolved; None if there is none.
        home_python: HeyGem's interpreter.
        compose: A compose file named by the user.
        maps: The folders that the official service shares with this machine.
        logs: The ends of the logs named by the user.
        require_gpu: Whether a missing or unusable GPU is a failure.
        require_service: Whether a HeyGem that does not run or respond is a failure.
        deep: Whether to run slow probes: import torch, render a second of video.
        now: The current time in seconds since 1970.
        timeout: The time limit of a child process in seconds.
    """

    machine: Machine = field(default_factory=Machine)
    dev: Path = Path("/dev")
    proc: Path = Path("/proc")
    cgroup: Path = Path("/sys/fs/cgroup")
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    python: str = sys.executable
    packages: tuple[str, ...] = field(default_factory=lambda: tuple(import_folders()))
    nvidia_smi: str = "nvidia-smi"
    nvml: str = "libnvidia-ml.so.1"
    libcuda: str = "libcuda.so.1"
    library_folders: tuple[str, ...] = ("/usr/local/cuda-11.8/lib64", "/usr/local/cuda/lib64", "/opt/conda/lib")
    models: Path = field(default_factory=models_folder)
    output: Path = field(default_factory=Path.cwd)
    cache: Path = field(default_factory=default_cache_folder)
    temporary: Path = field(default_factory=temporary_folder)
    user_home: Path = field(default_factory=Path.home)
    home: Path | None = None
    home_python: str | None = None
    compose: Path | None = None
    url: str | None = None
    maps: tuple[FolderMap, ...] = ()
    logs: tuple[LogText, ...] = ()
    require_gpu: bool = False
    require_service: bool = False
    deep: bool = False
    now: float = field(default_factory=time.time)
    timeout: float = 20.0

    @property
    def has_gpu(self) -> bool:
        """Whether there is a device node of an NVIDIA GPU."""
        return bool(gpu_nodes(self.dev)) or (self.dev / "dxg").exists()


def gpu_nodes(dev: Path) -> list[Path]:
    """Return the device nodes of NVIDIA GPUs, such as /dev/nvidia0."""
    return sorted(each for each in dev.glob("nvidia[0-9]*") if each.name[len("nvidia") :].isdecimal())
