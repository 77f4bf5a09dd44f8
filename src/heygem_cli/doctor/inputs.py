"""Where the doctor looks: every root, program and library that a check touches, so that tests can bring their own."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from heygem_cli.heygem.service.maps import Map
from heygem_cli.onnx import models_folder


def _cache_folder() -> Path:
    from heygem_cli.face.cache import default_cache_folder

    return default_cache_folder()


@dataclass(frozen=True)
class Inputs:
    """The machine, the installation and the service to be looked at.

    Attributes:
        dev: the device nodes.
        proc: the kernel's view of processes.
        cgroup: the control groups' file system.
        environment: the variables of the process.
        python: our own interpreter.
        packages: the folders in which our interpreter looks for packages.
        nvidia_smi: the program.
        nvml: NVIDIA's management library.
        libcuda: the CUDA driver's library.
        library_places: folders with CUDA libraries that the loader does not search by itself.
        models: the folder of our models.
        output: where outputs go.
        cache: where face tracks are kept.
        temporary: the folder for temporary files.
        user_home: the user's home folder.
        home: the HeyGem installation, resolved; None where there is none.
        home_python: HeyGem's interpreter.
        compose: a compose file that was named.
        url: the address of the service.
        maps: folders that the official service shares with this machine.
        log: a log file that was named.
        require_gpu: a GPU that is missing or unusable is a failure.
        deep: take seconds, not one: import torch, render.
        now: seconds since 1970.
        limit: seconds that a child process may take.
    """

    dev: Path = Path("/dev")
    proc: Path = Path("/proc")
    cgroup: Path = Path("/sys/fs/cgroup")
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    python: str = sys.executable
    packages: tuple[str, ...] = field(default_factory=lambda: tuple(each for each in sys.path if each))
    nvidia_smi: str = "nvidia-smi"
    nvml: str = "libnvidia-ml.so.1"
    libcuda: str = "libcuda.so.1"
    library_places: tuple[str, ...] = ("/usr/local/cuda-11.8/lib64", "/usr/local/cuda/lib64", "/opt/conda/lib")
    models: Path = field(default_factory=models_folder)
    output: Path = field(default_factory=Path.cwd)
    cache: Path = field(default_factory=_cache_folder)
    temporary: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    user_home: Path = field(default_factory=Path.home)
    home: Path | None = None
    home_python: str | None = None
    compose: Path | None = None
    url: str | None = None
    maps: tuple[Map, ...] = ()
    log: Path | None = None
    require_gpu: bool = False
    deep: bool = False
    now: float = field(default_factory=time.time)
    limit: float = 20.0

    @property
    def has_gpu(self) -> bool:
        """Whether there are device nodes of an NVIDIA GPU."""
        return bool(gpu_nodes(self.dev)) or (self.dev / "dxg").exists()


def gpu_nodes(dev: Path) -> list[Path]:
    """The device nodes of NVIDIA GPUs, such as /dev/nvidia0."""
    return sorted(each for each in dev.glob("nvidia[0-9]*") if each.name[len("nvidia") :].isdecimal())
