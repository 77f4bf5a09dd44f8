"""Checks of the GPU, on fake machines made of files: device nodes, programs and libraries."""

import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

from heygem_cli.doctor import gpu_checks, probes
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.metrics import write_metrics
from heygem_cli.onnx import CUDA_LIBRARIES
from unprivileged import public_folder, unprivileged

GIB = 1 << 30
VERSION = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Tue Sep 26\nGCC version:  gcc 12\n"

NVML = r"""
#include <string.h>
#include <unistd.h>
typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned gpu, memory; } rates;
int nvmlInit_v2(void) { INIT }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { strcpy(text, "535.104.05"); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = COUNT; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { *handle = (void *)1; return index ? 999 : 0; }
int nvmlDeviceGetName(void *handle, char *text, unsigned size) { strcpy(text, "NVIDIA GeForce RTX 3090"); return 0; }
int nvmlDeviceGetMemoryInfo(void *handle, memory *m) { m->total = 24ULL << 30; m->free = 20ULL << 30; return 0; }
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) { *major = 8; *minor = 6; return 0; }
#ifdef BUSY
int nvmlDeviceGetUtilizationRates(void *handle, rates *r) { r->gpu = BUSY; r->memory = 11; return BUSY > 100; }
#endif
"""

compiled = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for the fake library")


def make_library(path: Path, source: str = "", **macros: str) -> Path:
    """Compile a shared library."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [f"-D{name}={value}" for name, value in macros.items()]
    command = ["cc", "-shared", "-fPIC", "-w", "-x", "c", *options, "-o", str(path), "-"]
    subprocess.run(command, input=source, text=True, check=True)
    return path


@pytest.fixture
def machine(tmp_path):
    """A machine with a GPU, a driver and no libraries."""
    for name in ("dev/nvidia0", "dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia-uvm-tools"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    version = tmp_path / "proc/driver/nvidia/version"
    version.parent.mkdir(parents=True)
    version.write_text(VERSION.format("535.104.05"))
    return tmp_path


def inputs_of(machine: Path, **more) -> Inputs:
    environment = more.pop("environment", {"PATH": os.environ["PATH"]})
    return Inputs(
        dev=machine / "dev",
        proc=machine / "proc",
        nvml=str(machine / "libnvidia-ml.so.1"),
        libcuda=str(machine / "libcuda.so.1"),
        nvidia_smi=str(machine / "nvidia-smi"),
        packages=(str(machine / "site"),),
        library_folders=(str(machine / "elsewhere"),),
        environment=environment,
        **more,
    )


def gpus(*capabilities: tuple[int, int], free: int = 20) -> ProbeResult:
    devices = [
        {"name": "GPU", "total": 24 * GIB, "free": free * GIB, "capability": list(each)} for each in capabilities
    ]
    return ProbeResult({"driver": "535.104.05", "devices": devices, "driver_missing": ""})


def test_missing_gpu_is_a_failure_only_if_required(tmp_path):
    inputs = inputs_of(tmp_path, home=tmp_path)
    assert gpu_checks.devices(inputs).status == "warn"
    # Without a HeyGem it is nothing to worry about: heygem renders on the CPU.
    assert gpu_checks.devices(inputs_of(tmp_path)).status == "skip"
    assert gpu_checks.devices(inputs_of(tmp_path, require_gpu=True)).status == "fail"
    for check in (gpu_checks.nvml, gpu_checks.memory, gpu_checks.compute_capability, gpu_checks.libcuda):
        assert check(inputs, probes.nvml(inputs)).found == "no NVIDIA GPU"
    assert gpu_checks.driver(inputs).status == "skip"
    assert gpu_checks.nvidia_smi(inputs, probes.nvidia_smi(inputs)).status == "skip"
    assert gpu_checks.cuda_library(inputs, probes.cuda_libraries(inputs), name=CUDA_LIBRARIES[0]).status == "skip"


def test_devices_in_a_container_without_access(machine):
    shutil.rmtree(machine / "dev")
    finding = gpu_checks.devices(inputs_of(machine))
    assert "although the driver is loaded" in finding.found
    assert "--gpus all" in finding.fix


def test_devices_need_all_nodes(machine):
    assert gpu_checks.devices(inputs_of(machine)).found == "nvidia0, nvidiactl, nvidia-uvm"
    (machine / "dev/nvidia-uvm").unlink()
    finding = gpu_checks.devices(inputs_of(machine))
    assert (finding.status, finding.found) == ("warn", "nvidia-uvm missing")
    assert gpu_checks.devices(inputs_of(machine, require_gpu=True)).status == "fail"


def test_devices_need_permission():
    with public_folder() as folder:
        for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
            (folder / name).touch(0o600 if name == "nvidia0" else 0o666)
            (folder / name).chmod(0o000 if name == "nvidia0" else 0o666)
        inputs = Inputs(dev=folder)
        with unprivileged():
            finding = gpu_checks.devices(inputs)
        assert finding.found == "no permission to open nvidia0"


def test_devices_of_the_windows_subsystem(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/dxg").touch()
    assert gpu_checks.devices(inputs_of(tmp_path)).status == "ok"
    assert inputs_of(tmp_path).has_gpu


@pytest.mark.parametrize(
    ("version", "status", "found"),
    [("535.104.05", "ok", "535.104.05"), ("440.33.01", "warn", "440.33.01"), ("x", "skip", "no version in")],
)
def test_driver(machine, version, status, found):
    (machine / "proc/driver/nvidia/version").write_text(VERSION.format(version))
    finding = gpu_checks.driver(inputs_of(machine))
    assert finding.status == status
    assert found in finding.found


def test_driver_with_open_kernel_module(machine):
    text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n"
    (machine / "proc/driver/nvidia/version").write_text(text)
    assert gpu_checks.driver(inputs_of(machine)).found == "570.86.15"


@compiled
def test_nvml_reports_a_healthy_gpu(machine):
    make_library(machine / "libnvidia-ml.so.1", NVML, INIT="return 0;", COUNT="1")
    make_library(machine / "libcuda.so.1")
    inputs = inputs_of(machine)
    result = probes.nvml(inputs)
    assert gpu_checks.nvml(inputs, result).found == "driver 535.104.05: NVIDIA GeForce RTX 3090"
    assert gpu_checks.memory(inputs, result).found == "20.0 of 24.0 GiB free"
    assert gpu_checks.compute_capability(inputs, result).found == "8.6"
    assert gpu_checks.libcuda(inputs, result).status == "ok"


@compiled
@pytest.mark.parametrize(("busy", "shown", "metric"), [("87", ", 87 % busy", "0.87"), ("0", ", 0 % busy", "0")])
def test_utilization_is_shown_and_a_metric(machine, busy, shown, metric):
    make_library(machine / "libnvidia-ml.so.1", NVML, INIT="return 0;", COUNT="1", BUSY=busy)
    inputs = inputs_of(machine)
    assert gpu_checks.memory(inputs, probes.nvml(inputs)).found == f"20.0 of 24.0 GiB free{shown}"
    path = machine / "heygem.prom"
    write_metrics(path, [], inputs)
    lines = path.read_text().splitlines()
    assert f'heygem_gpu_utilization_ratio{{gpu="0"}} {metric}' in lines
    assert f'heygem_gpu_memory_used_bytes{{gpu="0"}} {4 * GIB}' in lines


@compiled
@pytest.mark.parametrize("macros", [{}, {"BUSY": "101"}])  # no such function; an error, as in a MIG instance
def test_unknown_utilization_is_no_metric(machine, macros):
    make_library(machine / "libnvidia-ml.so.1", NVML, INIT="return 0;", COUNT="1", **macros)
    inputs = inputs_of(machine)
    assert gpu_checks.memory(inputs, probes.nvml(inputs)).found == "20.0 of 24.0 GiB free"
    path = machine / "heygem.prom"
    write_metrics(path, [], inputs)
    assert "gpu_utilization_ratio" not in path.read_text()


@compiled
@pytest.mark.parametrize(
    ("macros", "found"),
    [
        ({"INIT": "return 18;", "COUNT": "0"}, "error 18: versions of driver and library differ"),
        ({"INIT": "return 0;", "COUNT": "2"}, "error 999: the container has lost its device"),
        ({"INIT": "return 42;", "COUNT": "0"}, "error 42: see nvml.h"),
        ({"INIT": "return 0;", "COUNT": "0"}, "driver 535.104.05, no GPU"),
        ({"INIT": "return *(volatile int *)0;", "COUNT": "0"}, "NVML crashed (SIGSEGV)"),
        ({"INIT": "sleep(60); return 0;", "COUNT": "0"}, "NVML timed out after 1 s"),
    ],
)
def test_nvml_that_fails_crashes_or_hangs(machine, macros, found):
    make_library(machine / "libnvidia-ml.so.1", NVML, **macros)
    inputs = inputs_of(machine, timeout=1 if "sleep" in macros["INIT"] else 20, require_gpu=True)
    result = probes.nvml(inputs)
    finding = gpu_checks.nvml(inputs, result)
    assert finding.status == "fail"
    assert finding.found.startswith(found)
    assert gpu_checks.memory(inputs, result).status in ("skip", "ok")


def test_nvml_is_missing(machine):
    inputs = inputs_of(machine)
    finding = gpu_checks.nvml(inputs, probes.nvml(inputs))
    assert finding.status == "warn"
    assert "libnvidia-ml.so.1" in finding.found


@compiled
def test_libcuda_is_missing_in_a_container_without_compute(machine):
    make_library(machine / "libnvidia-ml.so.1", NVML, INIT="return 0;", COUNT="1")
    inputs = inputs_of(machine, environment={"NVIDIA_DRIVER_CAPABILITIES": "utility"})
    finding = gpu_checks.libcuda(inputs, probes.nvml(inputs))
    assert "lacks the capability `compute`" in finding.why
    assert "NVIDIA_DRIVER_CAPABILITIES=utility" in finding.found
    assert "compute,utility" in finding.fix


@pytest.mark.parametrize(
    ("script", "status", "found"),
    [
        ("echo 'NVIDIA GeForce RTX 3090, 535.104.05'", "ok", "NVIDIA GeForce RTX 3090, 535.104.05"),
        ("exec sleep 60", "warn", "timed out after 1 s"),
        ("echo 'Failed to initialize NVML' >&2; exit 9", "warn", "Failed to initialize NVML"),
        (None, "warn", "cannot be started: No such file or directory"),
    ],
)
def test_nvidia_smi(machine, script, status, found):
    if script is not None:
        (machine / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (machine / "nvidia-smi").chmod(0o755)
    inputs = inputs_of(machine, timeout=1 if status == "warn" else 20)
    finding = gpu_checks.nvidia_smi(inputs, probes.nvidia_smi(inputs))
    assert (finding.status, finding.found) == (status, found)


def test_memory_must_be_free(machine):
    assert gpu_checks.memory(inputs_of(machine), gpus((8, 6), free=1)).status == "warn"
    assert gpu_checks.memory(inputs_of(machine), gpus((8, 6), free=2)).status == "ok"


@pytest.mark.parametrize(
    ("capability", "status", "found"),
    [
        ((5, 0), "warn", "5.0"),
        ((5, 2), "ok", "5.2"),
        ((8, 9), "ok", "8.9"),
        ((9, 0), "ok", "9.0: works, but the first start is slow"),
        ((10, 0), "warn", "10.0: an RTX 50 or newer"),
        ((12, 0), "warn", "12.0: an RTX 50 or newer"),
    ],
)
def test_compute_capability(machine, capability, status, found):
    finding = gpu_checks.compute_capability(inputs_of(machine), gpus(capability))
    assert finding.status == status
    assert finding.found.startswith(found)
    # Version 1.18.0 must not be recommended for an RTX 50.
    assert "install" not in finding.fix


@pytest.mark.parametrize(
    ("value", "status", "found"),
    [
        (None, "ok", "unset: all GPUs are visible"),
        ("", "warn", "set but empty: all GPUs are hidden"),
        ("-1", "warn", "-1: all GPUs are hidden"),
        ("NoDevFiles", "ok", "NoDevFiles"),
        ("0", "ok", "0"),
        ("1,0", "warn", "1,0, but the GPUs are numbered 0 to 0"),
        ("GPU-8932f937", "ok", "GPU-8932f937"),
    ],
)
def test_visible_devices(machine, value, status, found):
    environment = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    finding = gpu_checks.visible_devices(inputs_of(machine, environment=environment), gpus((8, 6)))
    assert (finding.status, finding.found) == (status, found)


@compiled
def test_cuda_libraries_are_located(machine):
    package = make_library(machine / "site/nvidia/cuda_runtime/lib/libcudart.so.11.0")
    elsewhere = make_library(machine / "elsewhere/libcublas.so.11")
    (machine / "site/nvidia/cudnn/lib").mkdir(parents=True)
    (machine / "site/nvidia/cudnn/lib/libcudnn.so.8").write_bytes(b"not a library")
    loader = make_library(machine / "path/libcufft.so.10")
    inputs = inputs_of(machine, environment={**os.environ, "LD_LIBRARY_PATH": str(machine / "path")})
    result = probes.cuda_libraries(inputs)
    findings = {name: gpu_checks.cuda_library(inputs, result, name=name) for name in CUDA_LIBRARIES}
    assert findings["libcudart.so.11.0"].found == str(package)
    assert findings["libcufft.so.10"].found == str(loader)
    assert f"LD_LIBRARY_PATH={elsewhere.parent}" in findings["libcublas.so.11"].fix
    assert "libcublasLt.so.11" in findings["libcublasLt.so.11"].found
    assert "nvidia-cudnn-cu11==8.9.6.50" in findings["libcudnn.so.8"].fix
    assert [each.status for each in findings.values()] == ["ok", "warn", "warn", "ok", "warn", "warn"]


@compiled
@pytest.mark.parametrize(("version", "library"), [("1.18.0", "libcudnn.so.8"), ("1.22.0", "libcudnn.so.9")])
def test_libraries_are_those_of_the_interpreter_that_is_asked_about(machine, version, library):
    """Its ONNX Runtime decides which; heygem's own packages do not count."""
    make_library(machine / "site/nvidia/cuda_runtime/lib/libcudart.so.11.0")
    venv.create(machine / "env", with_pip=False, symlinks=True)
    (site,) = (machine / "env").glob("lib/python3*/site-packages")
    (site / f"onnxruntime_gpu-{version}.dist-info").mkdir()
    (site / f"onnxruntime_gpu-{version}.dist-info/METADATA").write_text(f"Name: onnxruntime-gpu\nVersion: {version}\n")
    cudnn = make_library(site / f"nvidia/cudnn/lib/{library}")
    python = str(machine / "env/bin/python")
    inputs = inputs_of(machine, home_python=python)
    result = probes.cuda_libraries(inputs)
    assert gpu_checks.cuda_library(inputs, result, name="libcudnn.so.8").found == f"{cudnn} ({python})"
    finding = gpu_checks.cuda_library(inputs, result, name="libcudart.so.11.0")
    assert finding.status == "warn"
    assert finding.fix.startswith(f"{python} -m pip install nvidia-cuda-runtime-cu1{2 if version > '1.19' else 1}")


def test_each_cuda_library_has_a_package():
    assert set(gpu_checks.PACKAGES) == set(CUDA_LIBRARIES)
