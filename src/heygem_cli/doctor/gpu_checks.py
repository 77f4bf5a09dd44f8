"""The GPU: device nodes, driver, NVIDIA's libraries, and what ONNX Runtime 1.18.0 needs to use it.

A problem is a warning, since heygem works on a CPU, and a failure with ``--require gpu``.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from heygem_cli.doctor.child_process import Answer
from heygem_cli.doctor.inputs import Inputs, gpu_nodes
from heygem_cli.doctor.result import Finding, fail, ok, skip, warn

NO_GPU = "no NVIDIA GPU here"
LEAST_DRIVER = 450
"""The oldest driver that runs programs built for CUDA 11."""
LEAST_MEMORY = 2 << 30
"""Bytes. With less free memory than this another program has the GPU."""

_DOCKER = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility,video …"
_VERSION = re.compile(r"(?:NVRM version:.*?|Kernel Module\s+(?:for \S+\s+)?)(\d{3}\.\d+(?:\.\d+)?)")
_NVML_ERRORS = {
    9: ("the driver is not loaded", "modprobe nvidia || reboot"),
    18: ("driver and library are of different versions, as after an update without a restart", "reboot"),
    999: ("the container has lost its device, as after a systemctl daemon-reload on the host", "docker restart …"),
}
PACKAGES = {
    "libcudart.so.11.0": "nvidia-cuda-runtime-cu11==11.8.89",
    "libcublasLt.so.11": "nvidia-cublas-cu11==11.11.3.6",
    "libcublas.so.11": "nvidia-cublas-cu11==11.11.3.6",
    "libcufft.so.10": "nvidia-cufft-cu11==10.9.0.58",
    "libcurand.so.10": "nvidia-curand-cu11==10.3.0.86",
    "libcudnn.so.8": "nvidia-cudnn-cu11==8.9.6.50",
}
"""The packages that bring the libraries; the newest of cuDNN's would be the wrong one."""


def problem(inputs: Inputs, found: str, why: str, fix: str) -> Finding:
    """Something is wrong with the GPU."""
    return fail(found, why, fix) if inputs.require_gpu else warn(found, why, fix)


def devices(inputs: Inputs) -> Finding:
    """The device nodes."""
    if (inputs.dev / "dxg").exists():
        return ok("/dev/dxg (WSL)")
    nodes = gpu_nodes(inputs.dev)
    if not nodes:
        if (inputs.proc / "driver/nvidia/version").exists():
            why = "the host has a GPU, but this container was not given it: everything runs on the CPU"
            return problem(inputs, f"no {inputs.dev}/nvidia0, though the driver is loaded", why, _DOCKER)
        why = "everything runs on the CPU; HeyGem itself is far too slow there"
        return problem(inputs, f"no NVIDIA GPU: no {inputs.dev}/nvidia0", why, "lspci | grep -i nvidia")
    needed = [*nodes, inputs.dev / "nvidiactl", inputs.dev / "nvidia-uvm"]
    missing = [node.name for node in needed if not node.exists()]
    if missing:
        fix = "nvidia-modprobe -u -c=0  # on the host, then start the container again"
        return problem(inputs, f"{', '.join(missing)} missing", "CUDA cannot start without every one of them", fix)
    closed = [node.name for node in needed if not os.access(node, os.R_OK | os.W_OK, effective_ids=True)]
    if closed:
        fix = f"ls -l {inputs.dev}/nvidia*; groups"
        return problem(inputs, f"no permission for {', '.join(closed)}", "CUDA cannot open the GPU", fix)
    return ok(", ".join(node.name for node in needed))


def driver(inputs: Inputs) -> Finding:
    """The kernel's driver."""
    if not inputs.has_gpu:
        return skip(NO_GPU)
    path = inputs.proc / "driver/nvidia/version"
    if not path.is_file():
        return skip(f"no {path} (as in WSL)")
    match = _VERSION.search(path.read_text(errors="replace"))
    if match is None:
        return skip(f"{path} names no version")
    if int(match[1].split(".")[0]) >= LEAST_DRIVER:
        return ok(match[1])
    why = f"CUDA 11 needs driver {LEAST_DRIVER} or later"
    return problem(inputs, match[1], why, "Install a newer driver: https://www.nvidia.com/drivers")


def nvml(inputs: Inputs, answer: Answer) -> Finding:
    """NVIDIA's management library, and what GPUs it names."""
    if not inputs.has_gpu:
        return skip(NO_GPU)
    why = "nvidia-smi and every GPU monitor use it, and CUDA is seldom better off"
    if answer.failure:
        return problem(inputs, f"NVML {answer.failure}", why, "dmesg | grep -i -e nvrm -e xid | tail")
    if "missing" in answer.facts:
        return problem(inputs, f"cannot be loaded: {answer.facts['missing']}", why, _DOCKER)
    if "code" in answer.facts:
        code = int(answer.facts["code"])
        what, fix = _NVML_ERRORS.get(code, ("see nvml.h", "dmesg | grep -i -e nvrm -e xid | tail"))
        return problem(inputs, f"error {code}: {what}", why, fix)
    found = answer.facts["devices"]
    if not found:
        return problem(inputs, f"driver {answer.facts['driver']}, no GPU", "CUDA finds none either", _DOCKER)
    return ok(f"driver {answer.facts['driver']}: {', '.join(each['name'] for each in found)}")


def nvidia_smi(inputs: Inputs, answer: Answer) -> Finding:
    """nvidia-smi, which can hang."""
    if not inputs.has_gpu:
        return skip(NO_GPU)
    if answer.failure:
        why = "operators watch the GPU with it; where it hangs, so does CUDA"
        return problem(inputs, answer.failure, why, "dmesg | grep -i -e nvrm -e xid | tail")
    return ok(", ".join(answer.stdout.strip().splitlines()))


def memory(inputs: Inputs, answer: Answer) -> Finding:
    """The GPUs' memory, and what is free of it."""
    found = _gpus(answer)
    if not found:
        return skip(_reason(inputs))
    text = ", ".join(f"{_gib(each['free'])} of {_gib(each['total'])} GiB free" for each in found)
    if max(each["free"] for each in found) >= LEAST_MEMORY:
        return ok(text)
    return problem(inputs, text, "too little is left for the networks: another program has it", "nvidia-smi")


def compute_capability(inputs: Inputs, answer: Answer) -> Finding:
    """The GPUs' compute capability against CUDA 11.8."""
    found = _gpus(answer)
    if not found:
        return skip(_reason(inputs))
    capabilities = [(each["capability"][0], each["capability"][1]) for each in found]
    text = ", ".join(f"{major}.{minor}" for major, minor in capabilities)
    if max(capabilities) >= (10, 0):
        why = "ONNX Runtime 1.18.0 has no kernels for this card, which needs CUDA 12.8 or later"
        fix = "Use HeyGem's RTX-50 variant with its own newer onnxruntime-gpu; heygem render works on the CPU"
        return problem(inputs, f"{text}: an RTX 50 or newer", why, fix)
    if min(capabilities) < (5, 2):
        why = "ONNX Runtime 1.18.0 has kernels from 5.2 on"
        return problem(inputs, text, why, "heygem render --device cpu …")
    if max(capabilities) >= (9, 0):
        return ok(f"{text}: works, compiled at the first start, which is slow")
    return ok(text)


def visible_devices(inputs: Inputs, answer: Answer) -> Finding:
    """CUDA_VISIBLE_DEVICES: unset shows all GPUs, empty hides them all."""
    value = inputs.environment.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return ok("unset: all GPUs are visible") if inputs.has_gpu else skip(NO_GPU)
    if not inputs.has_gpu:
        return skip(NO_GPU)
    fix = "unset CUDA_VISIBLE_DEVICES"
    first = value.split(",")[0].strip()
    if not first or first.startswith("-"):
        shown = "set but empty" if not value.strip() else value
        return problem(inputs, f"{shown}: all GPUs are hidden", "CUDA sees no GPU; unset is not the same as empty", fix)
    count = len(_gpus(answer))
    if first.isdecimal() and count and int(first) >= count:
        why = "CUDA sees no GPU, since the first number that does not exist ends the list"
        return problem(inputs, f"{value}, but the GPUs are numbered 0 to {count - 1}", why, fix)
    return ok(value)


def libcuda(inputs: Inputs, answer: Answer) -> Finding:
    """The CUDA driver's library, which a container gets with its capability ``compute``."""
    if not inputs.has_gpu:
        return skip(NO_GPU)
    if answer.failure:
        return skip(f"NVML {answer.failure}")
    if not answer.facts["driver_missing"]:
        return ok(f"{inputs.libcuda} loads")
    found = f"{inputs.libcuda} cannot be loaded"
    given = inputs.environment.get("NVIDIA_DRIVER_CAPABILITIES")
    if "devices" in answer.facts:
        found += f" (NVIDIA_DRIVER_CAPABILITIES={given})" if given else ""
        why = "NVML works, so this container lacks the capability `compute`: CUDA cannot start, or ONNX Runtime crashes"
        return problem(inputs, found, why, _DOCKER)
    return problem(inputs, found, "CUDA cannot start: the driver is not installed, or not in this container", _DOCKER)


def cuda_library(name: str) -> Callable[[Inputs, Answer], Finding]:
    """Make the check of one library that ONNX Runtime 1.18.0 needs."""

    def check(inputs: Inputs, answer: Answer) -> Finding:
        if not inputs.has_gpu:
            return skip(NO_GPU)
        if answer.failure:
            return problem(inputs, f"loading it: {answer.failure}", "the library is damaged", _install(inputs))
        facts = answer.facts[name]
        if "path" in facts:
            return ok(facts["path"])
        why = "without it ONNX Runtime runs on the CPU, without a word"
        if facts["elsewhere"]:
            folder = shlex.quote(str(Path(facts["elsewhere"]).parent))
            fix = f"export LD_LIBRARY_PATH={folder}:$LD_LIBRARY_PATH  # before the process starts"
            return problem(inputs, f"is in {folder}, where the loader does not look", why, fix)
        return problem(inputs, facts["error"], why, _install(inputs))

    return check


def _install(inputs: Inputs) -> str:
    names = " ".join(dict.fromkeys(PACKAGES.values()))
    return f"{shlex.quote(inputs.python)} -m pip install {names}"


def _gpus(answer: Answer) -> list[dict[str, Any]]:
    return list(answer.facts.get("devices", []))


def _reason(inputs: Inputs) -> str:
    return "NVML does not tell: see gpu.nvml" if inputs.has_gpu else NO_GPU


def _gib(size: object) -> str:
    return f"{int(str(size)) / (1 << 30):.1f}"
