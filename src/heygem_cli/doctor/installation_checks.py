"""A HeyGem installation: its configuration, its models, its modules and the interpreter that shall run it."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Callable
from pathlib import Path

from heygem_cli.doctor import runtime_checks
from heygem_cli.doctor.child_process import Answer
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.result import Finding, fail, ok, skip, warn
from heygem_cli.errors import InputError
from heygem_cli.heygem.installation import compose, config_ini, opt_file, tree
from heygem_cli.heygem.installation import gradio_queue as queue
from heygem_cli.heygem.installation.files import decode_transparent, read_small
from heygem_cli.heygem.installation.model_files import damage

NO_HOME = "no installation: name its folder with --home"


def _needs_home(check: Callable[[Inputs], Finding]) -> Callable[[Inputs], Finding]:
    """Skip a check where there is no installation, and turn a file that cannot be used into a finding."""

    def checked(inputs: Inputs) -> Finding:
        if inputs.home is None:
            return skip(NO_HOME)
        if not tree.looks_like_home(inputs.home):
            return skip("no installation: see installation.home")
        try:
            return check(inputs)
        except InputError as error:
            return fail(error.message, "HeyGem cannot use it, nor can it be checked", error.hint or _repair(inputs))

    checked.__doc__ = check.__doc__
    return checked


def home(inputs: Inputs) -> Finding:
    """Whether the folder is an installation."""
    if inputs.home is None:
        return skip(NO_HOME)
    if tree.looks_like_home(inputs.home):
        return ok(str(inputs.home))
    found = f"{inputs.home} is not the root of a HeyGem installation"
    why = "run.py or app.py, landmark2face_wy/ and config/config.ini belong there; HeyGem must be started in its root"
    return fail(found, why, f"ls {shlex.quote(str(inputs.home))}")


@_needs_home
def opt_txt(inputs: Inputs) -> Finding:
    """num_threads in opt.txt, and whether it will stay."""
    assert inputs.home is not None  # noqa: S101
    path = inputs.home / tree.OPT_TXT
    stick = (
        "HeyGem rewrites the file at every start and never reads it; only --num_threads 0 on its command line sticks"
    )
    if not path.exists():
        fix = f"cd {shlex.quote(str(inputs.home))} && python run.py --num_threads 0"
        return warn("no opt.txt", "HeyGem writes it at its first start, so it has never started here", fix)
    running = tree.processes(inputs.home, inputs.proc)
    restart = f"{_repair(inputs)} && cd {shlex.quote(str(inputs.home))} && python run.py --num_threads 0"
    values = opt_file.values(decode_transparent(read_small(path), path).text, opt_file.NUM_THREADS)
    found = f"num_threads: {', '.join(values) or 'no such line'}"
    if any(value != "0" for value in values) or not values:
        return warn(found, stick, restart)
    if not stat.S_IMODE(path.stat().st_mode) & 0o222:
        why = "HeyGem writes it at every start, and so its start fails"
        return fail(f"{found}, but nobody may write the file", why, f"chmod u+w {shlex.quote(str(path))}")
    main = [each for each in running if "--multiprocessing-fork" not in each.command]
    if any("--num_threads 0" not in each.command for each in main):
        return warn(f"{found}, but HeyGem runs without --num_threads 0", stick, restart)
    return ok(f"{found}; {stick}")


@_needs_home
def temp_dir(inputs: Inputs) -> Finding:
    """Whether HeyGem's clean-up would delete what it must not."""
    assert inputs.home is not None  # noqa: S101
    config = _config(inputs)
    named, switch = (config.get("temp", key) for key in ("temp_dir", "clean_switch"))
    if named is None:
        return warn("[temp] temp_dir is not set", "HeyGem takes its default without a word", _repair(inputs))
    found = f"temp_dir = {named}, clean_switch = {switch or 'not set'}"
    victim = config_ini.endangered(inputs.home, config, inputs.user_home)
    if victim is None:
        return ok(found)
    if config_ini.cleans(config):
        why = f"the clean-up deletes everything under temp_dir, recursively: {victim} with it"
        return fail(found, why, _repair(inputs))
    return warn(found, f"one switch away from deleting {victim}; temporary files are left there", _repair(inputs))


@_needs_home
def config_keys(inputs: Inputs) -> Finding:
    """A byte-order mark, unknown and misplaced keys in config.ini."""
    config = _config(inputs)
    if config.bom:
        return fail("begins with a byte-order mark", "HeyGem cannot read its first section", _repair(inputs))
    strange = list(config_ini.strange_keys(config))
    if strange:
        why = "HeyGem does not look at them, and takes its defaults without a word"
        return warn(", ".join(strange), why, f"${{EDITOR:-vi}} {shlex.quote(str(_config_path(inputs)))}")
    missing = [
        f"[{section}] {key}"
        for section, keys in config_ini.KNOWN.items()
        for key in keys
        if section != "register" and config.get(section, key) is None
    ]
    return ok(f"all keys known; defaults for {', '.join(missing)}" if missing else "all keys known, none missing")


@_needs_home
def models(inputs: Inputs) -> Finding:
    """The nine model files: present, and not cut off."""
    assert inputs.home is not None  # noqa: S101
    damages = {str(name): damage(inputs.home / name) for name in tree.MODEL_FILES}
    wrong = [f"{name} {what}" for name, what in damages.items() if what]
    if not wrong:
        return ok(f"{len(damages)} files, none cut off")
    names = " ".join(shlex.quote(name) for name, what in damages.items() if what)
    fix = f"cd {shlex.quote(str(inputs.home))} && rm -f {names} && bash download.sh"
    return fail(", ".join(wrong), "HeyGem cannot start; a cut file counts as present, so it is not fetched again", fix)


def python(inputs: Inputs, answer: Answer) -> Finding:
    """The compiled modules against HeyGem's interpreter."""
    if inputs.home is None or not tree.looks_like_home(inputs.home):
        return skip(NO_HOME)
    built = tree.compiled_modules(inputs.home)
    text = ", ".join(f"{count} for Python {version}" for version, count in sorted(built.items()))
    if not built:
        why = "the installation is not complete: HeyGem's core comes as compiled modules"
        return fail("no compiled modules (*.cpython-3*.so)", why, f"cd {shlex.quote(str(inputs.home))} && git status")
    if inputs.home_python is None:
        return skip(f"{text}; name HeyGem's interpreter with --python to compare")
    wanted = max(built, key=lambda version: built[version])
    fix = f"conda create -y -n heygem python={wanted}"
    if answer.failure:
        return fail(f"{inputs.home_python}: {answer.failure}", "HeyGem cannot start with it", fix)
    version = ".".join(str(answer.facts["version"]).split(".")[:2])
    found = f"modules: {text}; {inputs.home_python} is {answer.facts['implementation']} {answer.facts['version']}"
    if version in built and answer.facts["implementation"] == "CPython":
        return ok(found)
    return fail(found, f"only CPython {wanted} can load these modules", fix)


def numpy(inputs: Inputs, answer: Answer) -> Finding:
    """Numpy in HeyGem's interpreter."""
    if inputs.home_python is None:
        return skip(answer.failure)
    return runtime_checks.numpy_finding(inputs.home_python, answer)


def onnxruntime(inputs: Inputs, answer: Answer, gpus: Answer) -> Finding:
    """ONNX Runtime in HeyGem's interpreter."""
    if inputs.home_python is None:
        return skip(answer.failure)
    newest = max((tuple(each["capability"]) for each in gpus.facts.get("devices", [])), default=(0, 0))
    version = answer.facts.get("packages", {}).get("onnxruntime-gpu")
    if newest >= (10, 0) and version is not None:
        # 1.18.0 has no kernels for an RTX 50: it must not be advised there.
        if version != runtime_checks.ONNXRUNTIME:
            return ok(f"onnxruntime-gpu {version}, for an RTX 50 or newer")
        why = "it has no kernels for an RTX 50 or newer, which needs CUDA 12.8"
        fix = f"{shlex.quote(inputs.home_python)} -m pip install -U onnxruntime-gpu   # with HeyGem's RTX-50 variant"
        return fail(f"onnxruntime-gpu {version}", why, fix)
    return runtime_checks.onnxruntime_finding(inputs.home_python, answer)


def onnx_session(inputs: Inputs, answer: Answer) -> Finding:
    """A real session in HeyGem's interpreter, and the provider it got."""
    if inputs.home_python is None:
        return skip(answer.failure)
    problem = runtime_checks.session_problem(answer)
    if problem is not None:
        found, why, _ = problem
        return fail(found, why, f"heygem doctor --only installation.onnxruntime --python {inputs.home_python}")
    found = f"a session runs on {runtime_checks.provider(answer)}"
    if runtime_checks.provider(answer) == "CUDA":
        return ok(found)
    why = "on the CPU HeyGem is too slow for its own time limits: start-up fails after 10 s, queues fill up and block"
    if inputs.has_gpu or inputs.require_gpu:
        return fail(found, why, "heygem doctor --only gpu --require gpu   # what is missing, library by library")
    return warn(found, why, "Run HeyGem on a machine with a GPU, or heygem render on this one")


def torch(inputs: Inputs, answer: Answer) -> Finding:
    """Torch in HeyGem's interpreter."""
    if inputs.home_python is None:
        return skip(answer.failure)
    if not answer.failure and answer.facts["version"] is None:
        fix = f"{shlex.quote(inputs.home_python)} -m pip install torch"
        return fail("not installed", "HeyGem cannot start without it", fix)
    return runtime_checks.torch_finding(inputs, answer)


@_needs_home
def gradio_queue(inputs: Inputs) -> Finding:
    """The queue of app.py's web page."""
    assert inputs.home is not None  # noqa: S101
    path = inputs.home / tree.APP
    if not path.exists():
        return skip("no app.py")
    call = queue.find_queue(read_small(path), path)
    why = "without a bound every visitor's job is queued and nobody's ends; two at once break HeyGem, which does one"
    fix = f"{_repair(inputs)} --app"
    if call.missing:
        return warn(f"line {call.line} starts without a queue", why, fix)
    if call.unclear:
        return warn(f"line {call.line}: arguments without a name", why, f"Write in app.py: .queue({queue.ARGUMENTS})")
    wrong = [f"{name} is {given or 'not given'} (wanted: {queue.WANTED[name]})" for name, given in call.wrong.items()]
    return warn(f"line {call.line}: {', '.join(wrong)}", why, fix) if wrong else ok(queue.ARGUMENTS)


def compose_shm(inputs: Inputs) -> Finding:
    """shm_size in the compose file."""

    def judge(services: list[compose.Service], file: str) -> Finding:
        small = [f"{each.name}: shm_size {each.shm_size or 'not set'}" for each in services if each.small]
        if not small:
            return ok(", ".join(f"{each.name}: {'ipc: host' if each.host_ipc else each.shm_size}" for each in services))
        why = "Docker's default of 64 MiB is too little for DataLoader workers"
        home_option = f" --home {shlex.quote(str(inputs.home))}" if inputs.home else ""
        return warn(", ".join(small), why, f"heygem fix-config{home_option} --compose {file}")

    return _with_compose(inputs, judge)


def compose_gpu(inputs: Inputs) -> Finding:
    """The GPU reservation in the compose file."""

    def judge(services: list[compose.Service], file: str) -> Finding:
        without = [each.name for each in services if not each.gpu]
        if not without:
            return ok(", ".join(each.name for each in services))
        fix = (
            f"${{EDITOR:-vi}} {file}   # deploy: {{resources: {{reservations: "
            "{devices: [{driver: nvidia, count: all, capabilities: [gpu]}]}}}"
        )
        return warn(f"no GPU for {', '.join(without)}", "HeyGem runs on the CPU there, and its queues block", fix)

    return _with_compose(inputs, judge)


def _with_compose(inputs: Inputs, judge: Callable[[list[compose.Service], str], Finding]) -> Finding:
    path = inputs.compose or (tree.find_compose(inputs.home) if inputs.home else None)
    if path is None:
        return skip("no compose file: name one with --compose")
    try:
        return judge(compose.relevant(compose.parse(read_small(path), path)), shlex.quote(str(path)))
    except InputError as error:
        return fail(error.message, "docker compose cannot use it", error.hint or f"docker compose -f {path} config")


def _config_path(inputs: Inputs) -> Path:
    assert inputs.home is not None  # noqa: S101
    return inputs.home / tree.CONFIG_INI


def _config(inputs: Inputs) -> config_ini.Config:
    return config_ini.parse(read_small(_config_path(inputs)), _config_path(inputs))


def _repair(inputs: Inputs) -> str:
    return f"heygem fix-config --home {shlex.quote(str(inputs.home))}"
