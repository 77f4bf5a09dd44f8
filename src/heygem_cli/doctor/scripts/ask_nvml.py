"""What does NVIDIA's management library say of the GPUs, and can the CUDA driver be loaded?

Arguments: the file of NVML and that of the CUDA driver.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any


class Memory(ctypes.Structure):
    """nvmlMemory_t."""

    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class NvmlError(Exception):
    """A call of NVML failed; the argument is its number."""


def call(nvml: ctypes.CDLL, name: str, *arguments: object) -> None:
    """Call a function of NVML."""
    code = getattr(nvml, name)(*arguments)
    if code:
        raise NvmlError(code)


def text(nvml: ctypes.CDLL, name: str, *arguments: object) -> str:
    """Call a function that fills a buffer with text."""
    buffer = ctypes.create_string_buffer(96)
    call(nvml, name, *arguments, buffer, ctypes.c_uint(len(buffer)))
    return buffer.value.decode(errors="replace")


def device(nvml: ctypes.CDLL, index: int) -> dict[str, Any]:
    """One GPU: name, bytes of memory, compute capability."""
    handle = ctypes.c_void_p()
    memory, major, minor = Memory(), ctypes.c_int(), ctypes.c_int()
    call(nvml, "nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
    call(nvml, "nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
    call(nvml, "nvmlDeviceGetCudaComputeCapability", handle, ctypes.byref(major), ctypes.byref(minor))
    name = text(nvml, "nvmlDeviceGetName", handle)
    return {"name": name, "total": memory.total, "free": memory.free, "capability": [major.value, minor.value]}


def about_nvml(path: str) -> dict[str, Any]:
    """Driver and GPUs, or what went wrong."""
    try:
        nvml = ctypes.CDLL(path)
    except OSError as error:
        return {"missing": str(error)}
    answer: dict[str, Any] = {}
    try:
        call(nvml, "nvmlInit_v2")
        answer["driver"] = text(nvml, "nvmlSystemGetDriverVersion")
        count = ctypes.c_uint()
        call(nvml, "nvmlDeviceGetCount_v2", ctypes.byref(count))
        answer["devices"] = [device(nvml, index) for index in range(count.value)]
    except NvmlError as error:
        answer["code"] = error.args[0]
    return answer


def loads(path: str) -> str:
    """Why a library cannot be loaded; empty if it can."""
    try:
        ctypes.CDLL(path)
    except OSError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    print(json.dumps(dict(about_nvml(sys.argv[1]), driver_missing=loads(sys.argv[2]))))
