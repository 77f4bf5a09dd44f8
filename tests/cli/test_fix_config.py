"""``heygem fix-config`` as a command."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from heygem_cli.heygem.installation.tree import APP, CONFIG_INI, OPT_TXT
from heygem_tree import APP as APP_TEXT
from heygem_tree import DANGEROUS, QUEUE, make_installation, opt_text


@pytest.fixture
def home(tmp_path):
    """An installation in which every file needs an edit, with a space in its name."""
    home = make_installation(tmp_path / "Hey Gem")
    (home / OPT_TXT).write_text(opt_text(threads="4"))
    (home / CONFIG_INI).write_text(DANGEROUS)
    (home / APP).write_text(APP_TEXT.replace(QUEUE, "demo.queue()"))
    return home


def run(*arguments, cwd, **environment):
    command = [sys.executable, "-m", "heygem_cli", "fix-config", *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


def files(home):
    return {path.relative_to(home): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_repair_is_complete_after_one_run(home):
    before = files(home)
    done = run("--yes", cwd=home)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "-              num_threads: 4" in done.stdout
    assert "+              num_threads: 0" in done.stdout
    assert "No effect by itself: HeyGem writes this file at every start" in done.stdout
    assert f"cd '{home}' && python app.py --num_threads 0" in done.stdout
    assert "not applied without --app" in done.stdout
    after = files(home)
    backups = {path: content for path, content in after.items() if path.suffix == ".bak"}
    assert sorted(backups.values()) == sorted([before[OPT_TXT], before[CONFIG_INI]])
    assert after[APP] == before[APP]
    assert (home / "heygem_temp").is_dir()
    again = run("--yes", cwd=home)
    assert (again.returncode, files(home)) == (0, after)
    assert "Nothing to change." in again.stdout
    # The note on opt.txt is printed even if it needs no edit.
    assert "No effect by itself" in again.stdout
    assert run("--check", cwd=home).returncode == 0


@pytest.mark.parametrize(("option", "code"), [("--check", 1), ("--dry-run", 0)])
def test_dry_run_and_check_write_nothing(home, option, code):
    before = files(home)
    done = run(option, "--app", cwd=home)
    assert done.returncode == code
    assert files(home) == before
    assert "4 files would change; nothing was written." in done.stdout


def test_confirmation_is_required(home):
    before = files(home)
    done = run(cwd=home)
    assert done.returncode == 2
    assert "Add --yes" in done.stderr
    assert files(home) == before


@pytest.mark.parametrize(("answer", "written"), [("\n", True), ("n\n", False)])
def test_confirmation_on_a_terminal(home, answer, written):
    before = files(home)
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "heygem_cli", "fix-config"]
    with subprocess.Popen(command, cwd=home, stdin=child, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        os.write(parent, answer.encode())
        out, err = running.communicate(timeout=60)
    os.close(parent)
    os.close(child)
    assert running.returncode == 0
    assert b"Write 3 files? [Y/n]" in err
    assert (files(home) != before) is written
    assert (b"Nothing was written." in out) is not written


def test_one_unusable_file_does_not_affect_the_others(home):
    (home / OPT_TXT).unlink()
    done = run("--yes", "--app", "--compose", home / "docker-compose.yml", cwd=home.parent, HEYGEM_HOME=str(home))
    assert done.returncode == 1
    assert f"error: {home / OPT_TXT}: there is no opt.txt. HeyGem writes the file at every start" in done.stderr
    assert (home / APP).read_text() == APP_TEXT
    assert b"temp_dir = ./heygem_temp" in (home / CONFIG_INI).read_bytes()


def test_json(home):
    done = run("--yes", "--json", "--home", home, cwd=home.parent)
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert result["schema"] == 1
    assert [edit["written"] for edit in result["edits"]] == [True] * 3
    assert [bool(edit["backup"]) for edit in result["edits"]] == [True, True, False]
    assert [edit["path"] for edit in result["by_hand"]] == [str(home / APP)]
    assert result["problems"] == result["running"] == []


def test_running_heygem_is_reported(home):
    (home / "run.py").write_text("print(flush=True); import time; time.sleep(60)")
    with subprocess.Popen([sys.executable, "run.py"], cwd=home, stdout=subprocess.PIPE) as running:
        try:
            running.stdout.readline()
            done = run("--dry-run", cwd=home)
        finally:
            running.kill()
    assert f"HeyGem is running (process {running.pid})" in done.stdout


@pytest.mark.parametrize("home_option", [(), ("--home", "missing")])
def test_missing_installation_is_a_usage_error(tmp_path, home_option):
    done = run(*home_option, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "--home" in done.stderr


def test_nothing_is_written_into_a_folder_that_is_no_heygem(tmp_path):
    """Not even if it has scripts of the same names; and the hint works."""
    for name in ("run.py", "app.py", "deploy/docker-compose-linux.yml", "deploy/docker-compose.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("services:\n  gen-video:\n    image: x\n" if "compose" in name else "")
    before = files(tmp_path)
    done = run("--yes", "--home", tmp_path, cwd="/")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path}: not a HeyGem installation: nothing is written there. ")
    assert files(tmp_path) == before
    hint = done.stderr.rpartition("heygem fix-config ")[2].split()
    assert hint == ["--compose", f"{tmp_path}/deploy/docker-compose-linux.yml"]
    assert run(*hint, "--yes", cwd="/").returncode == 0
    changed = [path for path, content in files(tmp_path).items() if before.get(path) != content]
    assert {Path(each).name.partition(".yml")[0] for each in changed} == {"docker-compose-linux"}


def test_compose_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "compose.yml"
    path.write_text("services:\n  web:\n    image: nginx\n")
    done = run("--yes", "--compose", path, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {path}: it has no service of HeyGem. ")
    assert [*tmp_path.iterdir()] == [path]


def test_conda_environment_tells_the_version_of_gradio(home, tmp_path):
    environment = tmp_path / "envs/human"
    (environment / "lib/python3.8/site-packages/gradio-3.50.2.dist-info").mkdir(parents=True)
    (environment / "bin").mkdir()
    (environment / "bin/python").symlink_to(sys.executable)
    done = run("--dry-run", "--app", "--conda-env", environment, cwd=home)
    assert "queue(max_size=10, api_open=False), for Gradio 3.50.2" in done.stdout
    done = run("--dry-run", "--conda-env", "missing-environment", cwd=home)
    assert done.returncode == 2
    assert "there is no such conda environment" in done.stderr


def test_control_characters_are_not_printed(home):
    (home / OPT_TXT).write_bytes(b"\x1b[31m name: x\n num_threads: 4\n\x9b: y\n")
    done = run("--dry-run", cwd=home)
    assert "\x1b" not in done.stdout
    assert done.returncode == 0
