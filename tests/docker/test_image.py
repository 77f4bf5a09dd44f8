"""Tests of the image, which is built and run with Podman: ``nox -s image``."""

import json
import os
import shutil
import time

import pytest
import yaml

from built_image import ANYBODY, ROOT, Containers, build, podman, why_not

KUBERNETES_JOB = ROOT / "examples" / "scale" / "kubernetes-indexed-job.yaml"

pytestmark = [pytest.mark.image, pytest.mark.skipif(bool(why_not()), reason=why_not())]


@pytest.fixture(scope="module", autouse=True)
def _image(tmp_path_factory):
    build(tmp_path_factory.mktemp("build"))


@pytest.fixture
def containers(tmp_path):
    """Containers in a folder with the example files."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("audio.wav", "face.mp4"):
        shutil.copy(ROOT / "examples" / name, folder)
    for path in (folder, *folder.iterdir()):
        os.chown(path, ANYBODY, ANYBODY)
    started = Containers(folder)
    yield started
    started.close()


def test_doctor_has_no_complaint(containers):
    done = containers.run("doctor", "--strict", "--json", options=("--shm-size", "2g"))
    checks = json.loads(done.stdout)["checks"]
    assert [each for each in checks if each["status"] in ("warn", "fail")] == []
    assert done.returncode == 0


def test_render_without_a_home(containers):
    done = containers.run("render", "audio.wav", "face.mp4", "--preview", "--json", options=("-e", "HOME=/nowhere"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output"] == "face_audio_preview.mp4"
    assert (containers.folder / "face_audio_preview.mp4").stat().st_uid == ANYBODY


def wait_until(condition, name):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, podman("logs", name).stderr
        time.sleep(0.2)


def test_pod_that_is_evicted_and_started_again(containers):
    """The arguments of the Kubernetes Job, with the environment that Kubernetes sets."""
    (container,) = yaml.safe_load(KUBERNETES_JOB.read_text())["spec"]["template"]["spec"]["containers"]
    args = [each.replace("auto/8", "auto/1").replace("$(JOB_COMPLETION_INDEX)", "0") for each in container["args"]]
    variables = {each["name"]: each["value"] for each in container["env"]} | {"JOB_COMPLETION_INDEX": "0"}
    options = ("--memory", "2g", *(f"-e={name}={value}" for name, value in variables.items()))
    (containers.folder / "manifest.csv").write_text("audio,face,id,preset\naudio.wav,face.mp4,a,ultrafast\n")
    journal = containers.folder / "manifest.csv.1-of-1.journal.jsonl"
    report = containers.folder / "report-0.json"

    name = containers.start(*args, options=options)
    wait_until(lambda: journal.exists() and '"started"' in journal.read_text(), name)
    since = time.monotonic()
    podman("stop", "-t", "30", name)
    assert time.monotonic() - since < 20
    assert podman("inspect", name, "--format", "{{.State.ExitCode}}").stdout.strip() == "143"
    assert json.loads(report.read_text())["counts"]["interrupted"] == 1

    assert containers.run(*args, options=options).returncode == 0
    assert json.loads(report.read_text())["counts"]["done"] == 1


def test_batch_is_healthy_while_it_runs(containers):
    (containers.folder / "inbox").mkdir(mode=0o777)
    name = containers.start("batch", "--watch-folder", "inbox", "--video", "face.mp4")
    assert podman("healthcheck", "run", name, check=False).returncode == 0


def test_page_is_healthy_when_it_answers(containers):
    name = containers.start("serve", "--host", "0.0.0.0", options=("-e", "HEYGEM_AUTH=anna:secret"))  # noqa: S104
    assert podman("healthcheck", "run", name, check=False).returncode == 1  # it has not even loaded its libraries
    wait_until(lambda: podman("healthcheck", "run", name, check=False).returncode == 0, name)
    podman("stop", "-t", "30", name)
    assert podman("inspect", name, "--format", "{{.State.ExitCode}}").stdout.strip() == "143"


def test_page_for_others_needs_a_password(containers):
    """As compose.yml starts it if AUTH is not set."""
    done = containers.run("serve", "--host", "0.0.0.0", options=("-e", "HEYGEM_AUTH="))  # noqa: S104
    assert done.returncode == 2
    assert "--auth" in done.stderr
