"""Probes: slow queries, most of them in child processes, whose results checks share."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from heygem_cli.doctor.child_process import ProbeResult, parse_facts, run_command, run_own_script
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.sample import make_sample
from heygem_cli.errors import NotCapableError
from heygem_cli.media.ffmpeg import find_ffmpeg
from heygem_cli.onnx import CUDA_LIBRARIES
from heygem_cli.processes import isolated_python

NO_GPU = ProbeResult(failure="no NVIDIA GPU")
NO_INTERPRETER = ProbeResult(failure="no interpreter: name HeyGem's with --python")

PROBE_PATH = "/easy/query?code=heygem-doctor"
"""Queries a job that does not exist: the only request to the official service that has no side effect."""


def _script(name: str, *arguments: str) -> Callable[[Inputs], ProbeResult]:
    """Return a probe that runs a script in heygem's interpreter."""
    return lambda inputs: _in_heygem_cli(inputs, name, *arguments)


interpreter = _script("probe_interpreter")
onnx_session = _script("probe_onnx", "--preload")


def models(inputs: Inputs) -> ProbeResult:
    """Open every network of heygem and run it once."""
    return _in_heygem_cli(inputs, "probe_models", str(inputs.models))


def torch(inputs: Inputs) -> ProbeResult:
    """Probe heygem's torch. It is imported only if there is a GPU, since that takes seconds."""
    return _in_heygem_cli(inputs, "probe_torch", *_torch_arguments(inputs))


def ffmpeg(inputs: Inputs) -> ProbeResult:
    """List the encoders of heygem's ffmpeg."""
    try:
        path = find_ffmpeg()
    except NotCapableError as error:
        return ProbeResult(failure=error.message)
    result = run_command([path, "-hide_banner", "-encoders"], environment=inputs.environment, timeout=inputs.timeout)
    return ProbeResult({"path": path}, result.failure, result.stdout, result.stderr)


def render(inputs: Inputs) -> ProbeResult:
    """Render one second of video, only with ``--deep``."""
    if not inputs.deep:
        return ProbeResult()
    with tempfile.TemporaryDirectory(prefix="heygem-doctor-", dir=inputs.temporary) as name:
        audio, face = make_sample(Path(name))
        output = str(Path(name) / "out.mp4")
        arguments = ["render", str(audio), str(face), "-o", output, "--json", "--no-cache"]
        command = isolated_python("from heygem_cli.__main__ import main; main()", *arguments)
        command[0] = inputs.python
        result = run_command(command, environment=inputs.environment, timeout=10 * inputs.timeout)
        return parse_facts(result, result.stdout)


def nvml(inputs: Inputs) -> ProbeResult:
    """Query the driver and the GPUs from NVIDIA's management library."""
    if not inputs.has_gpu:
        return NO_GPU
    return _in_heygem_cli(inputs, "probe_nvml", inputs.nvml, inputs.libcuda)


def nvidia_smi(inputs: Inputs) -> ProbeResult:
    """Run nvidia-smi."""
    if not inputs.has_gpu:
        return NO_GPU
    command = [inputs.nvidia_smi, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return inputs.machine.run(command, environment=inputs.environment, timeout=inputs.timeout)


def cuda_libraries(inputs: Inputs) -> ProbeResult:
    """Load each CUDA library that the ONNX Runtime of HeyGem's interpreter needs, or of heygem's if none is named."""
    if not inputs.has_gpu:
        return NO_GPU
    arguments = {"names": CUDA_LIBRARIES, "packages": inputs.packages, "folders": inputs.library_folders}
    if inputs.home_python is None:
        return _in_heygem_cli(inputs, "probe_cuda_libraries", json.dumps(arguments))
    return _in_heygem(inputs, "probe_cuda_libraries", json.dumps({**arguments, "packages": None}))


def home_interpreter(inputs: Inputs) -> ProbeResult:
    """Probe HeyGem's interpreter, its packages, and whether it can compile the worker of the engine."""
    from heygem_cli.heygem.local.worker_process import SCRIPTS

    return _in_heygem(inputs, "probe_interpreter", str(SCRIPTS / "worker.py"))


def home_onnx_session(inputs: Inputs) -> ProbeResult:
    """Run a network in the ONNX Runtime of HeyGem's interpreter, with torch imported first, as HeyGem does."""
    return _in_heygem(inputs, "probe_onnx", *(["--torch"] if inputs.has_gpu else []))


def home_torch(inputs: Inputs) -> ProbeResult:
    """Probe the torch of HeyGem's interpreter."""
    return _in_heygem(inputs, "probe_torch", *_torch_arguments(inputs))


def service(inputs: Inputs) -> ProbeResult:
    """Request HeyGem's web page, or query its service, which has no page and may be published under any port."""
    if inputs.url is None:
        return ProbeResult()
    base = inputs.url.rstrip("/")
    if is_official(inputs.url):
        return _request(inputs, base + PROBE_PATH)
    page = _request(inputs, base)
    return _request(inputs, base + PROBE_PATH) if page.facts.get("status") == 404 and _no_path(inputs.url) else page


def own_server(inputs: Inputs) -> ProbeResult:
    """Ask whether a URL without a path is that of ``heygem serve``, and whether it can render."""
    if inputs.url is None or not _no_path(inputs.url):
        return ProbeResult()
    return _request(inputs, f"{inputs.url.rstrip('/')}/readyz")


def _request(inputs: Inputs, url: str) -> ProbeResult:
    timeout = min(10.0, inputs.timeout)
    # From here, also if HeyGem runs in a container: that is where its users are.
    return run_own_script(sys.executable, "probe_url", url, environment=inputs.environment, timeout=timeout)


def reserved_ports(inputs: Inputs) -> list[tuple[int, int]]:
    """Return the ranges of ports that Windows has reserved, where this is Linux in Windows."""
    from heygem_cli.doctor.system_checks import in_wsl

    if inputs.home is None or not in_wsl(inputs.proc):
        return []
    command = ["netsh.exe", "interface", "ipv4", "show", "excludedportrange", "protocol=tcp"]
    result = run_command(command, environment=inputs.environment, timeout=inputs.timeout)
    return [(int(first), int(last)) for first, last in re.findall(r"^ *(\d+) +(\d+)", result.stdout, re.MULTILINE)]


def is_official(url: str) -> bool:
    """Return whether a URL is that of the official service: its port, and no path."""
    return urlsplit(url).port == 8383 and _no_path(url)


def _no_path(url: str) -> bool:
    return urlsplit(url).path in ("", "/")


def _in_heygem_cli(inputs: Inputs, script: str, *arguments: str) -> ProbeResult:
    run = inputs.machine.run_own_script
    return run(inputs.python, script, *arguments, environment=inputs.environment, timeout=inputs.timeout)


def _in_heygem(inputs: Inputs, script: str, *arguments: str) -> ProbeResult:
    if inputs.home_python is None:
        return NO_INTERPRETER
    environment = heygem_environment(inputs)
    run = inputs.machine.run_script
    return run(inputs.home_python, script, *arguments, environment=environment, timeout=inputs.timeout)


def heygem_environment(inputs: Inputs) -> Mapping[str, str]:
    """Return the environment of the engine's worker, with the libraries and GPUs of the HeyGem that runs."""
    from heygem_cli.heygem.installation.tree import main_processes, process_environment
    from heygem_cli.heygem.local.locate import worker_environment

    environment = dict(inputs.environment)
    for process in main_processes(inputs.home, inputs.proc) if inputs.home else []:
        running = process_environment(process.pid, inputs.proc) or {}
        environment |= {name: running[name] for name in ("LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES") if name in running}
    if folder := inputs.machine.library_folder:
        environment["LD_LIBRARY_PATH"] = ":".join(filter(None, [folder, environment.get("LD_LIBRARY_PATH")]))
    if inputs.home_python is None or "/" not in inputs.home_python or inputs.machine.is_container:
        return environment
    return worker_environment(Path(inputs.home_python), environment)


def _torch_arguments(inputs: Inputs) -> list[str]:
    return [] if inputs.has_gpu or inputs.deep else ["--version-only"]
