"""Report the GPUs that NVIDIA's management library lists, and whether the CUDA driver can be loaded.

The arguments are the files of NVML and of the CUDA driver.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any


class Memory(ctypes.Structure):
    """nvmlMemory_t."""

    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class Utilization(ctypes.Structure):
    """nvmlUtilization_t: percent of the time in which the GPU computed, and in which its memory was used."""

    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class NvmlError(Exception):
    """A call of NVML failed; the argument is its error code."""


def call(nvml: ctypes.CDLL, name: str, *arguments: object) -> None:
    """Call a function of NVML."""
    code = getattr(nvml, name)(*arguments)
    if code:
        raise NvmlError(code)


def call_for_text(nvml: ctypes.CDLL, name: str, *arguments: object) -> str:
    """Call a function that fills a buffer with text."""
    buffer = ctypes.create_string_buffer(96)
    call(nvml, name, *arguments, buffer, ctypes.c_uint(len(buffer)))
    return buffer.value.decode(errors="replace")


def device(nvml: ctypes.CDLL, index: int) -> dict[str, Any]:
    """Return the name, the memory in bytes, the compute capability and the utilization in percent of a GPU."""
    handle = ctypes.c_void_p()
    memory, major, minor = Memory(), ctypes.c_int(), ctypes.c_int()
    call(nvml, "nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
    call(nvml, "nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
    call(nvml, "nvmlDeviceGetCudaComputeCapability", handle, ctypes.byref(major), ctypes.byref(minor))
    name = call_for_text(nvml, "nvmlDeviceGetName", handle)
    facts = {"name": name, "total": memory.total, "free": memory.free, "capability": [major.value, minor.value]}
    return {**facts, "utilization": utilization(nvml, handle)}


def utilization(nvml: ctypes.CDLL, handle: ctypes.c_void_p) -> int | None:
    """Return the utilization of a GPU in percent; None where it is not known, as in a MIG instance."""
    rates = Utilization()
    try:
        call(nvml, "nvmlDeviceGetUtilizationRates", handle, ctypes.byref(rates))
    except (NvmlError, AttributeError):
        return None
    return int(rates.gpu)


def query_nvml(path: str) -> dict[str, Any]:
    """Return the driver version and the GPUs, or the error."""
    try:
        nvml = ctypes.CDLL(path)
    except OSError as error:
        return {"missing": str(error)}
    facts: dict[str, Any] = {}
    try:
        call(nvml, "nvmlInit_v2")
        facts["driver"] = call_for_text(nvml, "nvmlSystemGetDriverVersion")
        count = ctypes.c_uint()
        call(nvml, "nvmlDeviceGetCount_v2", ctypes.byref(count))
        facts["devices"] = [device(nvml, index) for index in range(count.value)]
    except NvmlError as error:
        facts["code"] = error.args[0]
    return facts


def load_error(path: str) -> str:
    """Return why a library cannot be loaded; an empty string if it can."""
    try:
        ctypes.CDLL(path)
    except OSError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    print(json.dumps(dict(query_nvml(sys.argv[1]), driver_missing=load_error(sys.argv[2]))))
