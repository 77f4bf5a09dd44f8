"""Tests of the recipes in examples/scale, as far as they run without a cluster."""

import json
import shutil
from pathlib import Path

import pytest

SCALE = Path(__file__).parents[2] / "examples" / "scale"


@pytest.mark.skipif(shutil.which("parallel") is None, reason="needs GNU parallel")
def test_gnu_parallel(shell, batch):
    done = shell(SCALE / "parallel.sh", batch.manifest, 2)
    assert done.returncode == 0, done.stderr
    assert "3 jobs: 3 done" in done.stdout
    assert json.loads((batch.folder / "m.csv.report.json").read_text())["counts"]["done"] == 3
    shards = [event for n in (1, 2) for event in batch.events("done", f"m.csv.{n}-of-2.journal.jsonl")]
    assert sorted(event["id"] for event in shards) == ["a", "b", "c"]


def test_kubernetes_job(shell, batch):
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((SCALE / "kubernetes-indexed-job.yaml").read_text())["spec"]
    (container,) = job["template"]["spec"]["containers"]
    args = [
        arg.replace("/data/manifest.csv", str(batch.manifest))
        .replace("/data", str(batch.folder))
        .replace("$(JOB_COMPLETION_INDEX)", "2")
        for arg in container["args"]
    ]
    done = shell("heygem", *args, JOB_COMPLETION_INDEX="2")
    assert done.returncode == 0, done.stderr
    report = json.loads((batch.folder / "report-2.json").read_text())
    assert report["shard"] == f"3/{job['completions']}"
