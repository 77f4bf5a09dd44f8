"""Checks of heygem's own Python, libraries and models: everything that ``heygem render`` needs."""

from __future__ import annotations

import shlex

from heygem_cli.doctor import probes
from heygem_cli.doctor.check import Finding, check, fail, ok, skip, warn
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.files import sha256

ONNXRUNTIME = "1.18.0"

_REINSTALL = "python -m pip install --force-reinstall .   # in heygem's clone"


@check("runtime.python", "Python version", probes.interpreter)
def python_version(_inputs: Inputs, result: ProbeResult) -> Finding:
    """Require CPython 3.10 to 3.12."""
    if result.failure:
        return fail(result.failure, "heygem cannot run without it", "Install Python 3.11")
    found = f"{result.facts['implementation']} {result.facts['version']}"
    version = tuple(int(part) for part in str(result.facts["version"]).split(".")[:2])
    if (3, 10) <= version < (3, 13) and result.facts["implementation"] == "CPython":
        return ok(found)
    why = f"heygem supports CPython 3.10 to 3.12; onnxruntime-gpu {ONNXRUNTIME} has no wheels for later ones"
    return fail(found, why, "python3.11 -m venv .venv && .venv/bin/pip install .   # in heygem's clone")


@check("runtime.numpy", "numpy below 2", probes.interpreter)
def numpy_version(inputs: Inputs, result: ProbeResult) -> Finding:
    """Require numpy 1."""
    return judge_numpy(inputs.python, result)


def judge_numpy(python: str, result: ProbeResult) -> Finding:
    """Judge the numpy of an interpreter."""
    if result.failure:
        return skip(result.failure)
    fix = f"{shlex.quote(python)} -m pip install 'numpy<2'"
    version = result.facts["packages"].get("numpy")
    if version is None:
        return fail("not installed", "all computation depends on it", fix)
    if int(version.split(".")[0]) < 2:
        return ok(version)
    why = f"onnxruntime {ONNXRUNTIME} is built for numpy 1: pip accepts numpy 2, but the import fails"
    return fail(version, why, fix)


@check("runtime.onnxruntime", "onnxruntime-gpu 1.18.0", probes.interpreter)
def onnxruntime_version(inputs: Inputs, result: ProbeResult) -> Finding:
    """Require onnxruntime-gpu 1.18.0, not installed together with onnxruntime."""
    return judge_onnxruntime(inputs.python, result)


def judge_onnxruntime(python: str, result: ProbeResult) -> Finding:
    """Judge the ONNX Runtime packages of an interpreter."""
    if result.failure:
        return skip(result.failure)
    gpu, cpu = (result.facts["packages"].get(name) for name in ("onnxruntime-gpu", "onnxruntime"))
    pip = f"{shlex.quote(python)} -m pip"
    fix = f"{pip} uninstall -y onnxruntime onnxruntime-gpu; {pip} install onnxruntime-gpu=={ONNXRUNTIME} 'numpy<2'"
    if gpu and cpu:
        found = f"onnxruntime-gpu {gpu} and onnxruntime {cpu} are both installed"
        return fail(found, "they share a folder, so the one installed last overwrites the other", fix)
    if gpu is None:
        found = f"onnxruntime {cpu}, which has no GPU support" if cpu else "onnxruntime-gpu is not installed"
        return fail(found, "without it ONNX Runtime runs on the CPU, or not at all", fix)
    if gpu == ONNXRUNTIME:
        return ok(f"onnxruntime-gpu {gpu}")
    why = f"{ONNXRUNTIME} is the last release on PyPI for CUDA 11.8 and cuDNN 8; later ones fall back to the CPU"
    return fail(f"onnxruntime-gpu {gpu}, not {ONNXRUNTIME}", why, fix)


@check("runtime.onnx-session", "ONNX Runtime session", probes.onnx_session)
def onnx_session(inputs: Inputs, result: ProbeResult) -> Finding:
    """Run a network and compare its execution provider with the hardware."""
    if problem := session_problem(result):
        return problem
    found = f"runs on {provider(result)}"
    if provider(result) == "CUDA" or not (inputs.has_gpu or inputs.require_gpu):
        return ok(found)
    why = "heygem works, but on the CPU: the GPU is not used" + load_error(result)
    fix = "heygem doctor --only gpu --require gpu"
    return fail(found, why, fix) if inputs.require_gpu else warn(found, why, fix)


def session_problem(result: ProbeResult) -> Finding | None:
    """Return a failure if a session cannot be created or computes wrong results."""
    if "crashed" in result.failure:
        why = "the CUDA provider crashes if the CUDA 11 libraries are present but the driver (libcuda.so.1) is not"
        fix = "Give the container the driver (docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility)"
        return fail(f"a session {result.failure}", why, fix)
    if result.failure:
        return fail(f"no session: {result.failure}", "no network can run", _REINSTALL)
    if not result.facts["correct"]:
        return fail("a session computes wrong results", "the installation is damaged", _REINSTALL)
    return None


def provider(result: ProbeResult) -> str:
    """Return the short name of a session's execution provider."""
    return str(result.facts["provider"]).removesuffix("ExecutionProvider")


def load_error(result: ProbeResult) -> str:
    """Return the error that ONNX Runtime printed for the library that it could not load."""
    errors = [line.split("with error: ", 1)[1] for line in result.stderr.splitlines() if "with error: " in line]
    return f" ({errors[0].strip()})" if errors else ""


@check("runtime.torch", "torch and CUDA", probes.torch)
def torch(inputs: Inputs, result: ProbeResult) -> Finding:
    """Check whether torch sees CUDA and has kernels for this GPU."""
    if not result.failure and result.facts["version"] is None:
        return skip("not installed: only training needs it")
    return judge_torch(inputs, result)


def judge_torch(inputs: Inputs, result: ProbeResult) -> Finding:
    """Judge the torch of an interpreter."""
    if result.failure:
        return warn(f"cannot be loaded: {result.failure}", "programs that use torch cannot run", "Reinstall torch")
    facts = result.facts
    if "sees_cuda" not in facts:
        return ok(f"{facts['version']}; not tested, because there is no GPU")
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
        return ok(f"{found}: works")
    why = f"it has only kernels for {', '.join(facts['kernels'])}; RTX 50 cards need a build for CUDA 12.8 or later"
    fix = "python -m pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu128"
    return fail(f"{found}: {facts.get('error', 'wrong result')}", why, fix)


@check("runtime.models", "heygem's models", probes.models)
def models(inputs: Inputs, result: ProbeResult) -> Finding:
    """Compare heygem's models with their checksums, and run each network once."""
    checksums = inputs.models / "SHA256SUMS"
    if not checksums.is_file():
        return warn(f"{checksums} is missing", "damaged models cannot be detected", _REINSTALL)
    lines = checksums.read_text(encoding="utf-8", errors="replace").splitlines()
    # The format of sha256sum: the digest, a space, a space or an asterisk, the name.
    digests = {inputs.models / line[66:]: line[:64].lower() for line in lines if line.strip()}
    damaged = [path.name for path, digest in digests.items() if not path.is_file() or sha256(path) != digest]
    why = "renders fail, or look wrong"
    if damaged:
        return fail(f"missing or damaged: {', '.join(damaged)}", why, _REINSTALL)
    if result.failure:
        return fail(f"cannot be run: {result.failure}", why, _REINSTALL)
    if result.facts["problems"]:
        return fail("; ".join(result.facts["problems"]), why, _REINSTALL)
    return ok(f"{len(digests)} files with correct SHA-256; every network runs")


@check("runtime.ffmpeg", "ffmpeg with libx264 and aac", probes.ffmpeg)
def ffmpeg(_inputs: Inputs, result: ProbeResult) -> Finding:
    """Check whether heygem's ffmpeg runs and has the encoders."""
    fix = "python -m pip install --force-reinstall imageio-ffmpeg; unset IMAGEIO_FFMPEG_EXE"
    why = "heygem cannot read or write video"
    if result.failure:
        return fail(f"cannot be used: {result.failure}", why, fix)
    encoders = {line.split()[1] for line in result.stdout.splitlines() if len(line.split()) > 1}
    missing = [name for name in ("libx264", "aac") if name not in encoders]
    if missing:
        return fail(f"{result.facts['path']} has no {' and no '.join(missing)}", why, fix)
    return ok("libx264, aac" + (", h264_nvenc" if "h264_nvenc" in encoders else ""))


@check("runtime.render", "render of one second (--deep)", probes.render)
def render(inputs: Inputs, result: ProbeResult) -> Finding:
    """Check whether a render of one second succeeds."""
    if not inputs.deep:
        return skip("takes several seconds: enable it with --deep")
    if result.failure:
        why = "heygem cannot render on this machine"
        return fail(f"failed: {result.failure}", why, "heygem doctor --report --deep")
    facts = result.facts
    return ok(f"{facts['frames']} frames, {facts['real_time_factor']} s per second of video, {facts['provider']}")
