"""Checks of a HeyGem installation: its configuration, models and modules, and the interpreter that runs it."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

from heygem_cli.doctor import probes, runtime_checks
from heygem_cli.doctor.check import Finding, check, fail, ok, skip, warn
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.errors import InputError, plural
from heygem_cli.heygem.installation import compose, config_ini, gradio_queue, opt_file, tree
from heygem_cli.heygem.installation.files import decode_lossless, is_file, read_error, read_small
from heygem_cli.heygem.installation.model_files import damage
from heygem_cli.heygem.installation.start import find_start, sets_threads

ELSEWHERE = "not in this tree, which has Python source instead of compiled modules"
OTHER_VARIANT = "config.ini has the sections of another variant, in Python source, and none that is known"
NO_HOME = "no installation: name its folder with --home"


def _needs_home(judge: Callable[..., Finding]) -> Callable[..., Finding]:
    """Pass the root folder to a check; skip it if there is no installation, fail if a file cannot be parsed."""

    @functools.wraps(judge)
    def wrapper(inputs: Inputs, *results: ProbeResult) -> Finding:
        if inputs.home is None:
            return skip(NO_HOME)
        if not tree.is_installation(inputs.home):
            return skip("no installation: see installation.home")
        try:
            return judge(inputs, inputs.home, *results)
        except (InputError, OSError) as caught:
            path = getattr(caught, "filename", None) or inputs.home
            error = caught if isinstance(caught, InputError) else read_error(Path(path), caught)
            restore = (
                f"cd {shlex.quote(str(inputs.home))} && git checkout -- {tree.CONFIG_INI}   # or copy it from another"
            )
            fix = restore if error.code == "missing" else _fix_config(inputs.home)
            return fail(error.message, "HeyGem cannot use it either", error.hint or fix)

    return wrapper


@check("installation.home", "HeyGem's root folder")
def home(inputs: Inputs) -> Finding:
    """Check whether the folder is an installation."""
    if inputs.home is None:
        return skip(NO_HOME)
    if tree.is_installation(inputs.home):
        return ok(str(inputs.home))
    if (file := _compose_file(inputs.home)) is not None:
        return ok(f"{inputs.home}: HeyGem runs in a container of {file}; look into it with --container NAME")
    found = f"{inputs.home} is not the root folder of a HeyGem installation"
    why = "HeyGem must be started in the folder that contains run.py or app.py, landmark2face_wy/ and config/config.ini"
    return fail(found, why, f"ls {shlex.quote(str(inputs.home))}")


def _compose_file(home: Path) -> Path | None:
    """Return the compose file of a folder that has a service of HeyGem's, or None."""
    file = tree.find_compose(home)
    try:
        return file if file and compose.heygem_services(compose.parse(read_small(file), file)) else None
    except InputError:  # reported by the checks of the compose file
        return None


@check("installation.opt-txt", "opt.txt: num_threads")
@_needs_home
def opt_txt(inputs: Inputs, home: Path) -> Finding:
    """Check num_threads in opt.txt, and whether HeyGem was started so that it persists."""
    path = home / tree.OPT_TXT
    if tree.is_elsewhere(home, tree.OPT_TXT):
        return skip(ELSEWHERE)
    start = find_start(home, inputs.proc, inputs.home_python)
    why = "HeyGem rewrites the file at every start and never reads it"
    why += ": only --num_threads 0 on its command line counts" if start.sets_threads else ", and no script here sets it"
    command = start.shell()
    if not os.path.lexists(path):
        reason = "HeyGem writes it when it starts, so it has never started here"
        return warn("no opt.txt", reason, command or "Start HeyGem")
    fix = f"{_fix_config(home)} && {command}" if start.sets_threads else _fix_config(home)
    text, _ = decode_lossless(read_small(path), path)
    values = opt_file.values(text, opt_file.NUM_THREADS)
    found = f"num_threads: {', '.join(values) or 'not set'}"
    if any(value != "0" for value in values) or not values:
        return warn(found, why, fix)
    if not stat.S_IMODE(path.stat().st_mode) & 0o222:
        reason = "HeyGem writes it at every start, so it cannot start"
        return fail(f"{found}, but the file is read-only", reason, f"chmod u+w {shlex.quote(str(path))}")
    running = tree.main_processes(home, inputs.proc)
    if start.sets_threads and not all(sets_threads(each.arguments) for each in running):
        return warn(f"{found}, but HeyGem runs without --num_threads 0", why, fix)
    return ok(f"{found}; {why}")


@check("installation.temp-dir", "config.ini: temp_dir and clean_switch")
@_needs_home
def temp_dir(inputs: Inputs, home: Path) -> Finding:
    """Check whether HeyGem's clean-up would delete other files than its own."""
    if tree.is_elsewhere(home, tree.CONFIG_INI):
        return skip(ELSEWHERE)
    config = _config(home)
    if _is_another_variants(home, config):
        return skip(OTHER_VARIANT)
    temp, switch = (config.get("temp", key) for key in ("temp_dir", "clean_switch"))
    if temp is None:
        fix = f"{_edit_config(home)}   # [temp] temp_dir = {config_ini.OWN_TEMP}"
        return warn("[temp] temp_dir is not set", "HeyGem silently uses its default", fix)
    for problem in config_ini.unusable(home, config):
        raise problem
    found = f"temp_dir = {temp}, clean_switch = {switch or 'not set'}"
    victim = config_ini.endangered(home, config, inputs.user_home)
    if victim is None:
        broken = config_ini.unquotable(config)
        why = "HeyGem writes the folder unquoted into shell commands, which fail; comments need a line of their own"
        return warn(broken, why, _edit_config(home)) if broken else ok(found)
    if config_ini.cleans(config):
        why = f"the clean-up deletes everything in temp_dir recursively, including {victim}"
        return fail(found, why, _fix_config(home))
    why = f"temporary files are mixed with others, and clean_switch = 1 would delete {victim}"
    return warn(found, why, _fix_config(home))


@check("installation.config-keys", "config.ini: keys and encoding")
@_needs_home
def config_keys(_inputs: Inputs, home: Path) -> Finding:
    """Check config.ini for a byte-order mark and for unknown and misplaced keys."""
    if tree.is_elsewhere(home, tree.CONFIG_INI):
        return skip(ELSEWHERE)
    config = _config(home)
    if config.bom:
        return fail("begins with a byte-order mark", "HeyGem cannot read its first section", _fix_config(home))
    if _is_another_variants(home, config):
        return skip(OTHER_VARIANT)
    unknown = list(config_ini.unknown_keys(config))
    if unknown:
        why = "HeyGem ignores them and silently uses its defaults"
        return warn(", ".join(unknown), why, _edit_config(home))
    if wrong := list(config_ini.wrong_numbers(config)):
        why = "HeyGem cannot use the value; comments need a line of their own"
        return warn(", ".join(wrong), why, _edit_config(home))
    missing = [
        f"[{section}] {key}"
        for section, keys in config_ini.KNOWN.items()
        for key in keys
        if section != "register" and config.get(section, key) is None
    ]
    return ok(f"all keys known; defaults for {', '.join(missing)}" if missing else "all keys known, none missing")


def _is_another_variants(home: Path, config: config_ini.Config) -> bool:
    return tree.is_source_variant(home) and config_ini.has_only_unknown_sections(config)


def _edit_config(home: Path) -> str:
    return f"${{EDITOR:-vi}} {shlex.quote(str(home / tree.CONFIG_INI))}"


@check("installation.models", "HeyGem's nine models")
@_needs_home
def models(_inputs: Inputs, home: Path) -> Finding:
    """Check whether the model files are present and complete."""
    if all(tree.is_elsewhere(home, name) for name in tree.MODEL_FILES):
        return skip(ELSEWHERE)
    damages = {str(name): damage(home / name) for name in tree.MODEL_FILES}
    damaged = {name: problem for name, problem in damages.items() if problem}
    if not damaged:
        return ok(f"{plural(len(damages), 'file')}, all complete")
    found = ", ".join(f"{name} {problem}" for name, problem in damaged.items())
    why = "HeyGem cannot start without them"
    names = " ".join(shlex.quote(name) for name in damaged)
    if not is_file(home / "download.sh"):
        return fail(
            found, why, f"cd {shlex.quote(str(home))} && ls -l {names}   # copy them from HeyGem's image or release"
        )
    # Some variants of the script skip files that exist, even if they are damaged.
    present = [shlex.quote(name) for name in damaged if (home / name).exists()]
    remove = f"rm -f {' '.join(present)} && " if present else ""
    return fail(found, why, f"cd {shlex.quote(str(home))} && {remove}bash download.sh")


@check("installation.python", "compiled modules and --python", probes.home_interpreter)
@_needs_home
def python(inputs: Inputs, home: Path, result: ProbeResult) -> Finding:
    """Compare the compiled modules with HeyGem's interpreter."""
    versions = tree.compiled_modules(home)
    if not versions:
        return _without_compiled_modules(home)
    modules = ", ".join(f"{count} for Python {version}" for version, count in sorted(versions.items()))
    if inputs.home_python is None:
        return skip(f"{modules}; name HeyGem's interpreter with --python to compare")
    needed = max(versions, key=lambda version: versions[version])
    fix = f"conda create -y -n heygem python={needed}"
    if result.failure:
        return fail(f"{inputs.home_python}: {result.failure}", "HeyGem cannot start with it", fix)
    version = ".".join(str(result.facts["version"]).split(".")[:2])
    found = f"modules: {modules}; {inputs.home_python} is {result.facts['implementation']} {result.facts['version']}"
    if version in versions and result.facts["implementation"] == "CPython":
        return ok(found)
    return fail(found, f"only CPython {needed} can load these modules", fix)


def _without_compiled_modules(home: Path) -> Finding:
    if tree.is_elsewhere(home, tree.OPT_TXT):
        return skip("service/ is Python source, and HeyGem's other modules are not in this tree")
    if tree.is_source_variant(home):
        return ok("HeyGem's modules are Python source: any interpreter with their packages can run them")
    why = "the installation is incomplete: HeyGem's core consists of compiled modules"
    return fail("no compiled modules (*.cpython-3*.so)", why, f"cd {shlex.quote(str(home))} && git status")


@check("installation.numpy", "numpy of --python", probes.home_interpreter)
def numpy(inputs: Inputs, result: ProbeResult) -> Finding:
    """Check the numpy of HeyGem's interpreter."""
    return runtime_checks.judge_numpy(str(inputs.home_python), result)


@check(
    "installation.onnxruntime",
    "onnxruntime-gpu of --python",
    probes.home_interpreter,
    probes.nvml,
    probes.home_onnx_session,
)
def onnxruntime(inputs: Inputs, result: ProbeResult, gpus: ProbeResult, session: ProbeResult) -> Finding:
    """Judge the ONNX Runtime of HeyGem's interpreter by its session, and by the CUDA that it is built for."""
    packages = result.facts.get("packages", {})
    version = packages.get("onnxruntime-gpu")
    program = shlex.quote(str(inputs.home_python))
    asked_for = runtime_checks.ONNXRUNTIME
    if not session.failure and runtime_checks.provider(session) == "CUDA" and version is not None:
        note = "" if version == asked_for else f"; the operators' note asks for {asked_for}"
        return ok(f"onnxruntime-gpu {version} gets CUDA{note}")
    if result.failure or version is None or "onnxruntime" in packages:
        return runtime_checks.judge_onnxruntime(str(inputs.home_python), result)
    built, around = _cuda_of_onnxruntime(version), _cuda_of_torch(packages.get("torch"))
    newest = max((tuple(each["capability"]) for each in gpus.facts.get("devices", [])), default=(0, 0))
    if newest >= (10, 0) and built < 12:
        # 1.18.0 has no kernels for an RTX 50, so it must not be recommended.
        why = "it has no kernels for an RTX 50 or newer, which needs CUDA 12.8"
        fix = f"{program} -m pip install -U onnxruntime-gpu   # with HeyGem's RTX-50 variant"
        return fail(f"onnxruntime-gpu {version}", why, fix)
    if around not in (None, built):
        found = f"onnxruntime-gpu {version} is built for CUDA {built}, but torch {packages['torch']} for CUDA {around}"
        right = f"onnxruntime-gpu=={asked_for} 'numpy<2'" if around == 11 else "-U onnxruntime-gpu"
        return fail(found, "its libraries are missing, so no session gets CUDA", f"{program} -m pip install {right}")
    note = "" if version == asked_for else f" (the operators' note asks for {asked_for})"
    if inputs.has_gpu:
        return ok(f"onnxruntime-gpu {version} for CUDA {built}{note}; why it gets no CUDA: installation.onnx-session")
    return ok(f"onnxruntime-gpu {version} for CUDA {built}{note}; not tried, because there is no GPU")


def _cuda_of_onnxruntime(version: str) -> int:
    """Return the major version of CUDA that a release on PyPI is built for."""
    return 11 if _numbers(version) < (1, 19) else 12


def _cuda_of_torch(version: str | None) -> int | None:
    """Return the major version of CUDA that a torch brings; None if there is no torch, or one without CUDA."""
    if version is None or version.endswith("+cpu"):
        return None
    tag = re.search(r"\+cu(\d\d)", version)
    return int(tag[1]) if tag else 11 if _numbers(version) < (2, 1) else 12


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", version)[:2])


@check("installation.onnx-session", "ONNX Runtime session in --python", probes.home_onnx_session)
def onnx_session(inputs: Inputs, result: ProbeResult) -> Finding:
    """Run a network in HeyGem's interpreter, in the environment of its worker, and check the execution provider."""
    if inputs.home_python is None:
        return skip(result.failure)
    if problem := runtime_checks.session_problem(result):
        fix = f"heygem doctor --only installation --python {shlex.quote(inputs.home_python)}"
        return dataclasses.replace(problem, fix=fix)
    found = f"runs on {runtime_checks.provider(result)}"
    if runtime_checks.provider(result) == "CUDA":
        return ok(found)
    why = "on the CPU HeyGem exceeds its own time-outs: start-up fails after 10 s, and queues fill up and block"
    if inputs.has_gpu or inputs.require_gpu:
        return fail(found + runtime_checks.load_error(result), why, find_cuda_problem(inputs))
    return warn(found, why, "Run HeyGem on a machine with a GPU, or heygem render on this one")


def find_cuda_problem(inputs: Inputs) -> str:
    """Return the command that reports each library that HeyGem's interpreter lacks."""
    return f"heygem doctor --only gpu --require gpu --python {shlex.quote(str(inputs.home_python))}"


@check("installation.packages", "packages that HeyGem needs in --python", probes.home_interpreter)
@_needs_home
def packages(inputs: Inputs, home: Path, result: ProbeResult) -> Finding:
    """Compare the packages of HeyGem's interpreter with the tree's requirements."""
    if inputs.home_python is None or result.failure:
        return skip(result.failure or probes.NO_INTERPRETER.failure)
    needed = tree.required_packages(home)
    if not needed:
        return skip("no requirements.txt")
    installed = set(result.facts.get("installed", []))
    missing = {name: line for name, line in needed.items() if name not in installed}
    if not missing:
        return ok(f"{len(needed)} packages, all installed")
    why = "the tree requires them: HeyGem ends with ModuleNotFoundError when a module imports one of them"
    fix = f"{shlex.quote(inputs.home_python)} -m pip install {shlex.join(missing.values())}"
    return warn(f"missing: {', '.join(missing)}", why, fix)


@check("installation.torch", "torch of --python", probes.home_torch)
def torch(inputs: Inputs, result: ProbeResult) -> Finding:
    """Check the torch of HeyGem's interpreter."""
    if inputs.home_python is None:
        return skip(result.failure)
    if not result.failure and result.facts["version"] is None:
        fix = f"{shlex.quote(inputs.home_python)} -m pip install torch"
        return fail("not installed", "HeyGem cannot start without it", fix)
    return runtime_checks.judge_torch(inputs, result)


@check("installation.gradio-queue", "app.py: Gradio's queue")
@_needs_home
def queue(inputs: Inputs, home: Path) -> Finding:
    """Check the arguments of the queue of HeyGem's web page."""
    path = home / tree.APP
    if not os.path.lexists(path):
        return skip("no app.py")
    source = read_small(path)
    if b"gradio" not in source:
        return skip("app.py has no Gradio page")
    start = find_start(home, inputs.proc, inputs.home_python)
    version = gradio_queue.gradio_version(home, start.command[0] if start.command else "")
    best = gradio_queue.recommended(version)
    call = gradio_queue.find_queue(source, path, version)
    why = f"without a limit the queue grows for ever ({gradio_queue.CLOSES})"
    fix = f"{_fix_config(home)} --app"
    if call.missing:
        return warn(f"line {call.line} starts without a queue", why, fix)
    if call.unclear:
        fix = f"Write in app.py: .queue({gradio_queue.written(best)})"
        return warn(f"line {call.line}: arguments without names", why, fix)
    wrong = [
        f"{name} is {source or 'not set'} (recommended: {gradio_queue.RECOMMENDED[name]})"
        for name, source in call.wrong.items()
    ]
    return warn(f"line {call.line}: {', '.join(wrong)}", why, fix) if wrong else ok(gradio_queue.written(best))


def _config(home: Path) -> config_ini.Config:
    path = home / tree.CONFIG_INI
    return config_ini.parse(read_small(path), path)


def _fix_config(home: Path) -> str:
    return f"heygem fix-config --home {shlex.quote(str(home))}"
