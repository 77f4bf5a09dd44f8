"""What engines are made with: it belongs to the process, which makes an engine once for all its jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from heygem_cli.heygem.service.maps import Map
from heygem_cli.runtime import Device, Settings

LoopMode = Literal["pingpong", "forward", "hold", "none"]
MissingFace = Literal["pass", "hold", "fail"]
Encoder = Literal["auto", "libx264", "h264_nvenc"]
Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"
]


@dataclass(frozen=True)
class HeygemSettings:
    """How an existing HeyGem installation is driven.

    Attributes:
        home: its root folder; None: the one around the current folder.
        python: its interpreter; None: the one of ``conda_env``, else of ``HOME/.venv``.
        conda_env: name or folder of a conda environment that holds its interpreter.
        stall_timeout: seconds without progress after which its worker is ended.
        recycle_after: jobs after which its worker is replaced.
        allow_cpu: whether its networks may run on the CPU.
    """

    home: Path | None = None
    python: str | None = None
    conda_env: str | None = None
    stall_timeout: float = 120.0
    recycle_after: int = 25
    allow_cpu: bool = False


@dataclass(frozen=True)
class ServiceSettings:
    """How HeyGem's official service is asked.

    Attributes:
        url: its address.
        maps: folders that it shares with this machine.
        stall_timeout: seconds without progress after which a job is given up.
    """

    url: str = "http://127.0.0.1:8383"
    maps: tuple[Map, ...] = ()
    stall_timeout: float = 120.0


@dataclass(frozen=True)
class EngineSettings:
    """All of them; each engine takes what concerns it.

    Attributes:
        device: where networks run in this process.
        process: its stability settings.
    """

    device: Device = "auto"
    process: Settings = field(default_factory=Settings)
    heygem: HeygemSettings = field(default_factory=HeygemSettings)
    service: ServiceSettings = field(default_factory=ServiceSettings)
