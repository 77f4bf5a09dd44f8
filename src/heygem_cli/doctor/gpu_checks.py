"""Checks of the GPU: device nodes, driver, NVIDIA's libraries, and what ONNX Runtime 1.18.0 needs to use it.

A problem is a warning, because heygem works on a CPU too, and a failure with ``--require gpu``.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from heygem_cli.doctor import probes
from heygem_cli.doctor.check import Finding, check, fail, ok, skip, warn
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs, gpu_nodes
from heygem_cli.doctor.verdict import names_heygem
from heygem_cli.onnx import CUDA_LIBRARIES

MIN_DRIVER = 450
"""The oldest driver that runs programs built for CUDA 11."""
GIB = 1 << 30

_DOCKER = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility,video …"
_KERNEL_LOG = "dmesg | grep -i -e nvrm -e xid | tail"
_VERSION = re.compile(r"(?:NVRM version:.*?|Kernel Module\s+(?:for \S+\s+)?)(\d{3}\.\d+(?:\.\d+)?)")
_NVML_ERRORS = {
    9: ("the driver is not loaded", "modprobe nvidia || reboot"),
    18: ("versions of driver and library differ, as after an update without a reboot", "reboot"),
    999: ("the container has lost its device, as after systemctl daemon-reload on the host", "docker restart …"),
}
PACKAGES = {
    "libcudart.so.11.0": "nvidia-cuda-runtime-cu11==11.8.89",
    "libcublasLt.so.11": "nvidia-cublas-cu11==11.11.3.6",
    "libcublas.so.11": "nvidia-cublas-cu11==11.11.3.6",
    "libcufft.so.10": "nvidia-cufft-cu11==10.9.0.58",
    "libcurand.so.10": "nvidia-curand-cu11==10.3.0.86",
    "libcudnn.so.8": "nvidia-cudnn-cu11==8.9.6.50",
}
PACKAGES_12 = {
    "libcudart.so.12": "nvidia-cuda-runtime-cu12",
    "libcublasLt.so.12": "nvidia-cublas-cu12",
    "libcublas.so.12": "nvidia-cublas-cu12",
    "libcufft.so.11": "nvidia-cufft-cu12",
    "libcurand.so.10": "nvidia-curand-cu12",
    "libcudnn.so.9": "nvidia-cudnn-cu12",
}
"""The packages that contain the libraries. Their versions matter: the latest cuDNN for CUDA 11 is version 9."""


def _needs_gpu(judge: Callable[..., Finding]) -> Callable[..., Finding]:
    """Skip a check if there is no GPU."""

    @functools.wraps(judge)
    def wrapper(inputs: Inputs, *results: ProbeResult, **options: str) -> Finding:
        return judge(inputs, *results, **options) if inputs.has_gpu else skip(probes.NO_GPU.failure)

    return wrapper


def _problem(inputs: Inputs, found: str, why: str, fix: str) -> Finding:
    return fail(found, why, fix) if inputs.require_gpu else warn(found, why, fix)


@check("gpu.devices", "device nodes")
def devices(inputs: Inputs) -> Finding:
    """Check whether the device nodes exist and can be opened."""
    if (inputs.dev / "dxg").exists():
        return ok("/dev/dxg (WSL)")
    nodes = gpu_nodes(inputs.dev)
    if not nodes:
        return _no_nodes(inputs)
    needed = [*nodes, inputs.dev / "nvidiactl", inputs.dev / "nvidia-uvm"]
    missing = [node.name for node in needed if not node.exists()]
    if missing:
        fix = "nvidia-modprobe -u -c=0  # on the host; then restart the container"
        return _problem(inputs, f"{', '.join(missing)} missing", "CUDA needs every one of them", fix)
    denied = [node.name for node in needed if not os.access(node, os.R_OK | os.W_OK, effective_ids=True)]
    if denied:
        fix = f"ls -l {inputs.dev}/nvidia*; groups"
        return _problem(inputs, f"no permission to open {', '.join(denied)}", "CUDA cannot open the GPU", fix)
    return ok(", ".join(node.name for node in needed))


def _no_nodes(inputs: Inputs) -> Finding:
    if (inputs.proc / "driver/nvidia/version").exists():
        why = "the host has a GPU, but this container has no access to it: everything runs on the CPU"
        return _problem(inputs, f"no {inputs.dev}/nvidia0, although the driver is loaded", why, _DOCKER)
    if not (inputs.require_gpu or names_heygem(inputs)):
        return skip(probes.NO_GPU.failure)
    why = "everything runs on the CPU, where HeyGem is far too slow"
    return _problem(inputs, f"no NVIDIA GPU (no {inputs.dev}/nvidia0)", why, "lspci | grep -i nvidia")


@check("gpu.driver", "kernel driver")
@_needs_gpu
def driver(inputs: Inputs) -> Finding:
    """Compare the version of the kernel driver with what CUDA 11 needs."""
    path = inputs.proc / "driver/nvidia/version"
    if not path.is_file():
        return skip(f"no {path} (normal in WSL)")
    match = _VERSION.search(path.read_text(errors="replace"))
    if match is None:
        return skip(f"no version in {path}")
    if int(match[1].split(".")[0]) >= MIN_DRIVER:
        return ok(match[1])
    why = f"CUDA 11 needs driver {MIN_DRIVER} or later"
    return _problem(inputs, match[1], why, "Install a newer driver: https://www.nvidia.com/drivers")


@check("gpu.nvml", "NVIDIA's management library", probes.nvml)
@_needs_gpu
def nvml(inputs: Inputs, result: ProbeResult) -> Finding:
    """Check whether NVIDIA's management library works and lists a GPU."""
    why = "nvidia-smi and every GPU monitor use it, and CUDA rarely works without it"
    if result.failure:
        return _problem(inputs, f"NVML {result.failure}", why, _KERNEL_LOG)
    if "missing" in result.facts:
        return _problem(inputs, f"cannot be loaded: {result.facts['missing']}", why, _DOCKER)
    if "code" in result.facts:
        code = int(result.facts["code"])
        meaning, fix = _NVML_ERRORS.get(code, ("see nvml.h", _KERNEL_LOG))
        return _problem(inputs, f"error {code}: {meaning}", why, fix)
    gpus = result.facts["devices"]
    if not gpus:
        return _problem(inputs, f"driver {result.facts['driver']}, no GPU", "CUDA will not find one either", _DOCKER)
    return ok(f"driver {result.facts['driver']}: {', '.join(each['name'] for each in gpus)}")


@check("gpu.nvidia-smi", "nvidia-smi responds", probes.nvidia_smi)
@_needs_gpu
def nvidia_smi(inputs: Inputs, result: ProbeResult) -> Finding:
    """Check whether nvidia-smi works; it may hang."""
    if result.failure:
        why = "operators monitor the GPU with it; if it hangs, so does CUDA"
        return _problem(inputs, result.failure, why, _KERNEL_LOG)
    return ok(", ".join(result.stdout.strip().splitlines()))


@check("gpu.memory", "GPU memory", probes.nvml)
@_needs_gpu
def memory(inputs: Inputs, result: ProbeResult) -> Finding:
    """Check whether a GPU has enough free memory."""
    gpus = result.facts.get("devices")
    if not gpus:
        return skip("unknown: see gpu.nvml")
    found = ", ".join(
        f"{each['free'] / GIB:.1f} of {each['total'] / GIB:.1f} GiB free"
        + ("" if each.get("utilization") is None else f", {each['utilization']} % busy")
        for each in gpus
    )
    if max(each["free"] for each in gpus) >= 2 * GIB:
        return ok(found)
    return _problem(inputs, found, "too little for the networks: another program is using the GPU", "nvidia-smi")


@check("gpu.compute-capability", "compute capability for CUDA 11.8", probes.nvml)
@_needs_gpu
def compute_capability(inputs: Inputs, result: ProbeResult) -> Finding:
    """Check whether ONNX Runtime 1.18.0 has kernels for the GPUs."""
    capabilities = [tuple(each["capability"]) for each in result.facts.get("devices", [])]
    if not capabilities:
        return skip("unknown: see gpu.nvml")
    found = ", ".join(f"{major}.{minor}" for major, minor in capabilities)
    if max(capabilities) >= (10, 0):
        why = "ONNX Runtime 1.18.0 has no kernels for this card, which needs CUDA 12.8 or later"
        fix = "Use HeyGem's RTX-50 variant with its own newer onnxruntime-gpu; heygem render works on the CPU"
        return _problem(inputs, f"{found}: an RTX 50 or newer", why, fix)
    if min(capabilities) < (5, 2):
        return _problem(inputs, found, "ONNX Runtime 1.18.0 needs 5.2 or later", "heygem render --device cpu …")
    if max(capabilities) >= (9, 0):
        return ok(f"{found}: works, but the first start is slow because kernels are compiled")
    return ok(found)


@check("gpu.visible-devices", "CUDA_VISIBLE_DEVICES", probes.nvml)
@_needs_gpu
def visible_devices(inputs: Inputs, result: ProbeResult) -> Finding:
    """Check whether CUDA_VISIBLE_DEVICES hides the GPUs: all are visible if it is unset, none if it is empty."""
    value = inputs.environment.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return ok("unset: all GPUs are visible")
    fix = "unset CUDA_VISIBLE_DEVICES"
    first = value.split(",")[0].strip()
    if not first or first.startswith("-"):
        found = f"{value if value.strip() else 'set but empty'}: all GPUs are hidden"
        return _problem(inputs, found, "CUDA sees no GPU; empty is not the same as unset", fix)
    count = len(result.facts.get("devices", []))
    if first.isdecimal() and count and int(first) >= count:
        why = "CUDA sees no GPU: it ignores the list from the first invalid number on"
        return _problem(inputs, f"{value}, but the GPUs are numbered 0 to {count - 1}", why, fix)
    return ok(value)


@check("gpu.libcuda", "CUDA driver library", probes.nvml)
@_needs_gpu
def libcuda(inputs: Inputs, result: ProbeResult) -> Finding:
    """Check whether the library of the CUDA driver loads; containers get it with the capability ``compute``."""
    if result.failure:
        return skip(f"NVML {result.failure}")
    if not result.facts["driver_missing"]:
        return ok(f"{inputs.libcuda} loads")
    found = f"{inputs.libcuda} cannot be loaded"
    if "devices" not in result.facts:
        why = "CUDA cannot start: the driver is not installed, or not available in this container"
        return _problem(inputs, found, why, _DOCKER)
    capabilities = inputs.environment.get("NVIDIA_DRIVER_CAPABILITIES")
    found += f" (NVIDIA_DRIVER_CAPABILITIES={capabilities})" if capabilities else ""
    why = "NVML works, so this container lacks the capability `compute`: CUDA cannot start, or ONNX Runtime crashes"
    return _problem(inputs, found, why, _DOCKER)


@_needs_gpu
def cuda_library(inputs: Inputs, result: ProbeResult, *, name: str) -> Finding:
    """Check whether a library that ONNX Runtime needs can be loaded, in HeyGem's interpreter if it is named."""
    python = inputs.home_python or inputs.python
    whose = f" ({python})" if inputs.home_python else ""
    if result.failure:
        install = _install(python, PACKAGES.values())
        return _problem(inputs, f"cannot be loaded: {result.failure}{whose}", "the library is damaged", install)
    facts = result.facts[name]
    if "path" in facts:
        return ok(f"{facts['path']}{whose}")
    why = "without it ONNX Runtime silently runs on the CPU"
    if not facts["elsewhere"]:
        packages = PACKAGES if facts["name"] == name and "libcudnn.so.9" not in str(result.facts) else PACKAGES_12
        return _problem(inputs, f"{facts['error']}{whose}", why, _install(python, packages.values()))
    folder = shlex.quote(str(Path(facts["elsewhere"]).parent))
    fix = f"export LD_LIBRARY_PATH={folder}:$LD_LIBRARY_PATH  # before the process starts"
    return _problem(inputs, f"is in {folder}, which the loader does not search{whose}", why, fix)


def _install(python: str, packages: Iterable[str]) -> str:
    return f"{shlex.quote(python)} -m pip install {shlex.join(dict.fromkeys(packages))}"


for _name in CUDA_LIBRARIES:
    check(f"gpu.{_name.partition('.so')[0]}", _name, probes.cuda_libraries)(functools.partial(cuda_library, name=_name))
