"""The questions to child processes; several checks can share the answer to one."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from heygem_cli.doctor.child_process import Answer, ask, ask_script, with_facts
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.onnx import CUDA_LIBRARIES

NO_GPU = Answer(failure="there is no NVIDIA GPU here")
NO_INTERPRETER = Answer(failure="no interpreter was named")
NO_URL = Answer(failure="no address was named")

PROBE_PATH = "/easy/query?code=heygem-doctor"
"""Asks the official service for a job that does not exist: the one question that changes nothing there."""
SERVICE_LIMIT = 10.0
"""Seconds."""


def interpreter(inputs: Inputs) -> Answer:
    """Our own interpreter and its packages."""
    return _own(inputs, "ask_interpreter")


def onnx_session(inputs: Inputs) -> Answer:
    """A real ONNX Runtime session."""
    return _own(inputs, "ask_onnx", "--preload")


def torch(inputs: Inputs) -> Answer:
    """Our own torch; imported only where there is a GPU to ask about, since that takes seconds."""
    return _own(inputs, "ask_torch", *_torch_arguments(inputs))


def mediapipe(inputs: Inputs) -> Answer:
    """MediaPipe with its models."""
    return _own(inputs, "ask_mediapipe")


def speech(inputs: Inputs) -> Answer:
    """The speech model."""
    return _own(inputs, "ask_speech")


def ffmpeg(inputs: Inputs) -> Answer:
    """The encoders of heygem's own ffmpeg."""
    from heygem_cli.errors import NotCapableError
    from heygem_cli.media.ffmpeg import find_ffmpeg

    try:
        path = find_ffmpeg()
    except NotCapableError as error:
        return Answer(failure=error.message)
    answer = ask([path, "-hide_banner", "-encoders"], environment=inputs.environment, limit=inputs.limit)
    return Answer({"path": path}, answer.failure, answer.stdout, answer.stderr)


def render(inputs: Inputs) -> Answer:
    """One second from end to end, with ``--deep`` only."""
    if not inputs.deep:
        return Answer()
    from heygem_cli.doctor.sample import make_sample

    with tempfile.TemporaryDirectory(prefix="heygem-doctor-", dir=inputs.temporary) as name:
        audio, face = make_sample(Path(name))
        output = str(Path(name) / "out.mp4")
        command = [inputs.python, "-m", "heygem_cli", "render", str(audio), str(face), "-o", output]
        command += ["--json", "--no-cache"]
        # In a folder of its own: modules of the folder we stand in, HeyGem's perhaps, must not be taken for ours.
        environment = {**inputs.environment, "PYTHONPATH": os.pathsep.join(inputs.packages)}
        answer = ask(command, environment=environment, limit=10 * inputs.limit, folder=Path(name))
        return answer if answer.failure else with_facts(answer, answer.stdout)


def nvml(inputs: Inputs) -> Answer:
    """The GPUs and the driver."""
    if not inputs.has_gpu:
        return NO_GPU
    return _own(inputs, "ask_nvml", inputs.nvml, inputs.libcuda)


def nvidia_smi(inputs: Inputs) -> Answer:
    """The program that operators look at."""
    if not inputs.has_gpu:
        return NO_GPU
    command = [inputs.nvidia_smi, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return ask(command, environment=inputs.environment, limit=inputs.limit)


def cuda_libraries(inputs: Inputs) -> Answer:
    """The CUDA libraries that ONNX Runtime needs, one by one."""
    if not inputs.has_gpu:
        return NO_GPU
    given = {"names": CUDA_LIBRARIES, "packages": inputs.packages, "places": inputs.library_places}
    return _own(inputs, "ask_cuda_libraries", json.dumps(given))


def home_interpreter(inputs: Inputs) -> Answer:
    """HeyGem's interpreter and its packages, and whether it can run the engine's worker."""
    from heygem_cli.heygem.local.worker_process import SCRIPTS

    return _theirs(inputs, "ask_interpreter", str(SCRIPTS / "worker.py"))


def home_onnx_session(inputs: Inputs) -> Answer:
    """A real ONNX Runtime session in HeyGem's interpreter."""
    return _theirs(inputs, "ask_onnx")


def home_torch(inputs: Inputs) -> Answer:
    """HeyGem's torch."""
    return _theirs(inputs, "ask_torch", *_torch_arguments(inputs))


def service(inputs: Inputs) -> Answer:
    """HeyGem's web page or service."""
    if inputs.url is None:
        return NO_URL
    url = inputs.url.rstrip("/") + (PROBE_PATH if is_official(inputs.url) else "")
    limit = min(SERVICE_LIMIT, inputs.limit)
    return ask_script(inputs.python, "ask_url", url, environment=inputs.environment, limit=limit)


def is_official(url: str) -> bool:
    """Whether an address is that of the official service: its port, and no page of it named."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.port == 8383 and parts.path in ("", "/")


def _own(inputs: Inputs, script: str, *arguments: str) -> Answer:
    return ask_script(inputs.python, script, *arguments, environment=inputs.environment, limit=inputs.limit)


def _theirs(inputs: Inputs, script: str, *arguments: str) -> Answer:
    if inputs.home_python is None:
        return NO_INTERPRETER
    return ask_script(inputs.home_python, script, *arguments, environment=inputs.environment, limit=inputs.limit)


def _torch_arguments(inputs: Inputs) -> list[str]:
    return [] if inputs.has_gpu or inputs.deep else ["--version-only"]
