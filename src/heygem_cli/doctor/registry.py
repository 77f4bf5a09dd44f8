"""Every check, under its stable name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from heygem_cli.doctor import (
    engine_checks,
    environment_checks,
    gpu_checks,
    installation_checks,
    log_checks,
    probes,
    runtime_checks,
    service_checks,
    system_checks,
)
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.result import Finding
from heygem_cli.errors import InputError, did_you_mean
from heygem_cli.heygem.installation.log_messages import MESSAGES
from heygem_cli.heygem.installation.variables import VARIABLES
from heygem_cli.onnx import CUDA_LIBRARIES

Probe = Callable[[Inputs], Any]
"""Asks a question that takes time; the answer is shared by the checks that need it."""


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        id: stable, such as ``gpu.driver``; what stands before the dot is the group.
        title: what it looks at.
        judge: takes the inputs and the answers of the probes, in their order.
        probes: the questions whose answers it needs.
    """

    id: str
    title: str
    judge: Callable[..., Finding]
    probes: tuple[Probe, ...] = ()

    @property
    def group(self) -> str:
        """The group of the check."""
        return self.id.partition(".")[0]


CHECKS = (
    Check("runtime.python", "Python version", runtime_checks.python_version, (probes.interpreter,)),
    Check("runtime.numpy", "numpy below 2", runtime_checks.numpy_version, (probes.interpreter,)),
    Check("runtime.onnxruntime", "onnxruntime-gpu 1.18.0", runtime_checks.onnxruntime_version, (probes.interpreter,)),
    Check("runtime.onnx-session", "a real ONNX Runtime session", runtime_checks.onnx_session, (probes.onnx_session,)),
    Check("runtime.torch", "torch and CUDA", runtime_checks.torch, (probes.torch,)),
    Check("runtime.models", "heygem's models", runtime_checks.models),
    Check("runtime.speech-model", "the speech model", runtime_checks.speech_model, (probes.speech,)),
    Check("runtime.mediapipe", "MediaPipe", runtime_checks.mediapipe, (probes.mediapipe,)),
    Check("runtime.ffmpeg", "ffmpeg with libx264 and aac", runtime_checks.ffmpeg, (probes.ffmpeg,)),
    Check("runtime.render", "one second from end to end (--deep)", runtime_checks.render, (probes.render,)),
    Check("gpu.devices", "device nodes", gpu_checks.devices),
    Check("gpu.driver", "kernel driver", gpu_checks.driver),
    Check("gpu.nvml", "NVIDIA's management library", gpu_checks.nvml, (probes.nvml,)),
    Check("gpu.nvidia-smi", "nvidia-smi answers", gpu_checks.nvidia_smi, (probes.nvidia_smi,)),
    Check("gpu.memory", "GPU memory", gpu_checks.memory, (probes.nvml,)),
    Check("gpu.compute-capability", "compute capability for CUDA 11.8", gpu_checks.compute_capability, (probes.nvml,)),
    Check("gpu.visible-devices", "CUDA_VISIBLE_DEVICES", gpu_checks.visible_devices, (probes.nvml,)),
    Check("gpu.libcuda", "the container's compute capability", gpu_checks.libcuda, (probes.nvml,)),
    *(
        Check(f"gpu.{name.partition('.so')[0]}", name, gpu_checks.cuda_library(name), (probes.cuda_libraries,))
        for name in CUDA_LIBRARIES
    ),
    Check("system.shared-memory", "shared memory (/dev/shm)", system_checks.shared_memory),
    Check("system.memory", "memory and its limit", system_checks.memory),
    Check("system.cpu", "processors and their limit", system_checks.cpus),
    Check("system.oom-kills", "processes killed for want of memory", system_checks.oom_kills),
    Check("system.disk-output", "disk for outputs", system_checks.disk(lambda i: i.output, "heygem render -o")),
    Check("system.disk-cache", "disk for the cache", system_checks.disk(lambda i: i.cache, "HEYGEM_CACHE_DIR")),
    Check("system.disk-temp", "disk for temporary files", system_checks.disk(lambda i: i.temporary, "TMPDIR")),
    Check("system.open-files", "open-file limit", system_checks.open_files),
    *(Check(f"environment.{each.name}", each.name, environment_checks.variable(each)) for each in VARIABLES),
    Check("installation.home", "HeyGem's root folder", installation_checks.home),
    Check("installation.opt-txt", "opt.txt: num_threads", installation_checks.opt_txt),
    Check("installation.temp-dir", "config.ini: temp_dir and clean_switch", installation_checks.temp_dir),
    Check("installation.config-keys", "config.ini: keys and encoding", installation_checks.config_keys),
    Check("installation.models", "HeyGem's nine models", installation_checks.models),
    Check(
        "installation.python", "compiled modules and --python", installation_checks.python, (probes.home_interpreter,)
    ),
    Check("installation.numpy", "numpy of --python", installation_checks.numpy, (probes.home_interpreter,)),
    Check(
        "installation.onnxruntime",
        "onnxruntime-gpu of --python",
        installation_checks.onnxruntime,
        (probes.home_interpreter, probes.nvml),
    ),
    Check(
        "installation.onnx-session",
        "a real session in --python",
        installation_checks.onnx_session,
        (probes.home_onnx_session,),
    ),
    Check("installation.torch", "torch of --python", installation_checks.torch, (probes.home_torch,)),
    Check("installation.gradio-queue", "app.py: Gradio's queue", installation_checks.gradio_queue),
    Check("installation.compose-shm", "compose file: shm_size", installation_checks.compose_shm),
    Check("installation.compose-gpu", "compose file: GPU", installation_checks.compose_gpu),
    Check("service.process", "HeyGem's process", service_checks.process),
    Check("service.http", "HeyGem answers (--url)", service_checks.http, (probes.service,)),
    Check("engine.mesh", "the built-in engine", engine_checks.mesh),
    Check(
        "engine.heygem",
        "an installation, driven by heygem",
        engine_checks.heygem,
        (probes.home_interpreter, probes.home_onnx_session),
    ),
    Check(
        "engine.heygem-http",
        "the official service (--url) and its folder (--map)",
        engine_checks.heygem_http,
        (engine_checks.official_service,),
    ),
    *(Check(f"log.{each.name}", each.title, log_checks.message(each), (log_checks.log,)) for each in MESSAGES),
    Check("log.stuck", "a job that does not move", log_checks.stuck, (log_checks.log,)),
)


def select(only: Iterable[str], skipped: Iterable[str]) -> list[Check]:
    """Choose checks.

    Args:
        only: ids or groups; all checks if there is none.
        skipped: ids or groups.

    Raises:
        InputError: there is no such check or group.
    """
    wanted, left_out = _ids(only), _ids(skipped)
    return [check for check in CHECKS if (not wanted or check.id in wanted) and check.id not in left_out]


def _ids(names: Iterable[str]) -> set[str]:
    chosen: set[str] = set()
    for name in names:
        found = {check.id for check in CHECKS if name in (check.id, check.group)}
        if not found:
            known = [*{check.group for check in CHECKS}, *(check.id for check in CHECKS)]
            hint = did_you_mean(name, known, "`heygem doctor --list` names them all")
            raise InputError("unknown-check", f"there is no check {name!r}", hint=hint)
        chosen |= found
    return chosen
