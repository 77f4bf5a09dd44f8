"""``heygem doctor`` as a command."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from heygem_cli.doctor.registry import CHECKS
from heygem_cli.heygem.installation.tree import CONFIG_INI, OPT_TXT
from heygem_tree import DANGEROUS, NEWER_FAILED, NEWER_JOB, NEWER_STARTED, STARTED, make_installation, opt_text

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
GPU = Path("/dev/nvidiactl").exists()


@pytest.fixture
def home(tmp_path):
    return make_installation(tmp_path / "HeyGem")


def run(*arguments, cwd, input=None, **environment):
    command = [sys.executable, "-m", "heygem_cli", "doctor", *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, input=input)


def test_json_with_an_intact_installation(home):
    done = run("--json", cwd=home / "config", OMP_NUM_THREADS="1")
    result = json.loads(done.stdout)
    failed = [(each["id"], each["found"]) for each in result["checks"] if each["status"] == "fail"]
    # The machine that runs the tests may have little memory or disk space.
    assert not [each for each in failed if not each[0].startswith("system.")]
    assert done.returncode == (1 if failed else 0)
    assert done.stderr == ""
    assert result["schema"] == 1
    assert result["home"] == str(home)
    assert result["healthy"] == (not failed)
    assert [each["id"] for each in result["checks"]] == [check.id for check in CHECKS]
    assert sum(result["summary"].values()) == len(CHECKS)
    assert result["seconds"] > 0
    for each in result["checks"]:
        assert set(each) == {"id", "group", "title", "status", "found", "why", "fix"}
        assert each["found"]
        assert bool(each["why"]) == bool(each["fix"]) == (each["status"] in ("warn", "fail")), each


def test_problems_are_printed_with_their_fix(home):
    (home / CONFIG_INI).write_text(DANGEROUS)
    (home / OPT_TXT).write_text(opt_text(threads="4"))
    done = run("--only", "installation", "--home", home, cwd=home.parent)
    assert done.returncode == 1
    assert "  fail  temp-dir " in done.stdout
    assert f"\ndo    heygem fix-config --home {home}\n" in done.stdout
    # Failures come before warnings.
    assert done.stdout.index("\nfail  installation.temp-dir: ") < done.stdout.index("\nwarn  installation.opt-txt: ")
    assert "1 fail" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(("strict", "code"), [([], 0), (["--strict"], 1)])
def test_warnings_fail_only_with_strict(home, strict, code):
    (home / OPT_TXT).write_text(opt_text(threads="4"))
    done = run("--only", "installation.opt-txt", *strict, cwd=home)
    assert done.returncode == code
    assert "1 warn, 0 fail" in done.stdout


@pytest.mark.skipif(GPU, reason="there is a GPU")
@pytest.mark.parametrize(("require", "code"), [([], 0), (["--require", "gpu"], 1)])
def test_missing_gpu_fails_only_with_require(tmp_path, require, code):
    done = run("--only", "gpu", *require, cwd=tmp_path)
    assert done.returncode == code
    # Checks that were skipped for the same reason share a line.
    rows = r"driver … libcudnn \(13\)" if require else r"devices … libcudnn \(14\)"
    assert re.search(rf"skip  {rows} +no NVIDIA GPU", done.stdout)


def test_output_is_short_without_a_heygem(tmp_path):
    """What matters for rendering here, and a verdict."""
    done = run(cwd=tmp_path, HEYGEM_HOME="")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"ready to render on the [CG]PU|not ready to render: system\..*", lines[-1])
    assert [line for line in lines if line and line[0].isalpha() and " " not in line] == [
        "runtime", "gpu", "system", "engine", "HeyGem",
    ]  # fmt: skip
    assert sum(line.startswith("  skip") for line in lines) <= 1
    assert "  none here: name its folder with --home, " in done.stdout
    assert "environment" not in done.stdout


def test_verdict_with_a_heygem(home):
    result = json.loads(run("--json", cwd=home).stdout)
    assert result["verdict"].endswith(f"; HeyGem in {home}: not fully checked")
    assert json.loads(run("--json", "--only", "gpu", cwd=home).stdout)["verdict"] == ""


def test_conda_environment_is_used(home, tmp_path):
    (tmp_path / "envs/human/bin").mkdir(parents=True)
    (tmp_path / "envs/human/bin/python").symlink_to(sys.executable)
    done = run("--only", "installation.python", "--conda-env", tmp_path / "envs/human", cwd=home)
    assert f"{tmp_path}/envs/human/bin/python is CPython 3." in done.stdout
    done = run("--conda-env", "missing-environment", cwd=home)
    assert done.returncode == 2
    assert "there is no such conda environment" in done.stderr


def test_only_and_skip(tmp_path):
    done = run(
        "--only", "system,environment", "--skip", "system", "--skip", "environment.ORT_PARALLEL", "--json", cwd=tmp_path
    )
    names = [each["id"] for each in json.loads(done.stdout)["checks"]]
    assert names == [f"environment.{name}" for name in (
        "TORCH_DATALOADER_NUM_WORKERS", "OMP_NUM_THREADS", "TORCH_NUM_THREADS", "GRADIO_QUEUE_TIMEOUT",
        "CUDA_LAUNCH_BLOCKING",
    )]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "gpu.drivr"], "Did you mean gpu.driver?"),
        (["--skip", "nothing"], "there is no check 'nothing'"),
        (["--url", "ftp://127.0.0.1"], "not an http address"),
        (["--url", "http://127.0.0.1:99999"], "Port out of range"),
        (["--home", "missing"], "missing: there is no such folder"),
        (["--python", "no-such-python"], "there is no such program"),
        (["--json", "--report"], "exclude each other"),
        (["--require", "cpu"], "gpu"),
    ],
)
def test_wrong_usage(tmp_path, arguments, message):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_list_runs_no_check(tmp_path):
    done = run("--list", "--only", "log", cwd=tmp_path, HEYGEM_HOME="/missing")
    assert done.returncode == 0
    assert re.search(r"^log.startup-timeout +start-up time-out \(异常信息:\[\]\)", done.stdout, re.MULTILINE)
    listed = json.loads(run("--list", "--json", cwd=tmp_path).stdout)["checks"]
    assert [each["id"] for each in listed] == [check.id for check in CHECKS]


def test_report_hides_user_names_and_secrets(tmp_path):
    user = tmp_path / "li.wei"
    home = make_installation(user / "HeyGem")
    url = "http://me:hunter2@127.0.0.1:1/?token=abcdef"
    done = run("--report", "--only", "installation,service,log", "--url", url, cwd=home, HOME=str(user))
    assert done.returncode == 1
    assert "ok    installation.home  ~/HeyGem\n" in done.stdout
    assert "fail  service.http  http://***@127.0.0.1:1/?token=***: Connection refused" in done.stdout
    assert "li.wei" not in done.stdout
    assert "hunter2" not in done.stdout
    assert done.stdout.startswith("```text\nheygem ")
    assert done.stdout.endswith("\n```\n")


def test_output_in_a_pipe_is_plain_with_one_line_per_check(home):
    done = run("--only", "environment,installation", cwd=home, FORCE_COLOR="", COLUMNS="40")
    assert not ANSI.search(done.stdout)
    assert re.search(
        r"^  ok    GRADIO_QUEUE_TIMEOUT +unset, recommended: 300; .* stops a job that hangs$", done.stdout, re.MULTILINE
    )


def test_output_on_a_terminal_is_coloured_and_wrapped(home):
    (home / CONFIG_INI).write_text(DANGEROUS)
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "heygem_cli", "doctor", "--only", "environment,installation"]
    with subprocess.Popen(command, cwd=home, env=environment, stdout=child, stderr=subprocess.DEVNULL) as running:
        os.close(child)
        shown = read_all(parent)
    assert running.returncode == 1
    assert "\x1b[1;31mfail\x1b[0m" in shown
    lines = ANSI.sub("", shown).splitlines()
    assert max(len(line) for line in lines if not line.startswith("do ")) <= 80
    assert f"do    heygem fix-config --home {home}" in lines


def read_all(terminal: int) -> str:
    """Return everything that is printed on a terminal until the process exits."""
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            part = b""
        if not part:
            os.close(terminal)
            return b"".join(parts).decode()
        parts.append(part)


def test_help_imports_no_heavy_library():
    heavy = "torch, onnxruntime, cv2, mediapipe, av, numpy, yaml"
    code = f"import sys, heygem_cli.cli.main; print(sorted(set('{heavy}'.split(', ')) & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_missing_log_is_one_error(tmp_path):
    done = run("--log", tmp_path / "no.log", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path / 'no.log'}: there is no such file. Name HeyGem's log")
    assert len(done.stderr.splitlines()) == 1


def test_log_from_standard_input_and_a_file(tmp_path):
    (tmp_path / "dh.log").write_text(STARTED)
    log = NEWER_STARTED + NEWER_JOB + NEWER_FAILED
    done = run("--only", "log", "--log", "-", "--log", tmp_path / "dh.log", "--json", cwd=tmp_path, input=log)
    failed = [each["id"] for each in json.loads(done.stdout)["checks"] if each["status"] == "fail"]
    assert (done.returncode, failed) == (1, ["log.stuck-at-5"])
