"""Tests of docker/ and of the Kubernetes recipes as files."""

import fnmatch
import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from heygem_cli import __version__
from heygem_cli.heygem.installation.variables import VARIABLES

ROOT = Path(__file__).parents[2]
SCALE = ROOT / "examples" / "scale"
OLDEST_KUBERNETES = "1.29"
JOB = yaml.safe_load((SCALE / "kubernetes-indexed-job.yaml").read_text())
RAY_JOB = yaml.safe_load((SCALE / "kuberay-job.yaml").read_text())
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text())


def test_what_is_copied_is_in_the_build_context():
    lines = (ROOT / ".dockerignore").read_text().split()
    sent = [line.removeprefix("!") for line in lines if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)
    for name in " ".join(copied).split():
        assert name in sent
        assert (ROOT / name).exists()


def test_build_context_has_all_that_the_wheel_needs():
    project = (ROOT / "pyproject.toml").read_text()
    sent = (ROOT / ".dockerignore").read_text()
    for name in re.findall(r'^(?:readme = |license-files = \[)"([^"]+)"', project, re.MULTILINE):
        assert f"!{name}\n" in sent


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_compose_services(name):
    service = COMPOSE["services"][name]
    assert service["profiles"] == [name]
    assert service["shm_size"] == "2g"
    for variable in VARIABLES:
        assert service["environment"][variable.name] == variable.recommended
    devices = service["deploy"].get("resources", {}).get("reservations", {}).get("devices", [])
    has_cuda = service["build"].get("args") == {"CUDA": "1"}
    assert [device["driver"] for device in devices] == (["nvidia"] if has_cuda else [])
    assert has_cuda != name.endswith("-cpu")


def test_compose_serves_only_with_a_password():
    service = COMPOSE["services"]["serve"]
    assert "--no-auth" not in service["command"]
    assert service["environment"]["HEYGEM_AUTH"] == "${AUTH:-}"
    assert service["ports"] == ["${ADDRESS:-127.0.0.1}:${PORT:-7860}:7860"]


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, kubernetes_validate.latest_version()])
def test_indexed_job_matches_the_schema_of_kubernetes(version):
    assert kubernetes_validate.validate(JOB, version, strict=True)


def pod_templates():
    cluster = RAY_JOB["spec"]["rayClusterSpec"]
    yield cluster["headGroupSpec"]["template"]
    yield from (group["template"] for group in cluster["workerGroupSpecs"])


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, kubernetes_validate.latest_version()])
def test_pods_of_the_ray_job_match_the_schema_of_kubernetes(version):
    for template in pod_templates():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, **template}
        assert kubernetes_validate.validate(pod, version, strict=True)


def test_pods_are_alike():
    job = JOB["spec"]["template"]["spec"]
    for pod in [job, *(template["spec"] for template in pod_templates())]:
        (container,) = pod["containers"]
        assert fnmatch.fnmatch(container["image"], f"heygem:{__version__}*")
        assert pod["securityContext"] == job["securityContext"]
        assert pod["enableServiceLinks"] is False
        assert container["env"] == job["containers"][0]["env"]


def test_indexed_job_has_one_number_of_shards():
    (container,) = JOB["spec"]["template"]["spec"]["containers"]
    assert f"--shard=auto/{JOB['spec']['completions']}" in container["args"]
