"""Tests of examples/scale/slurm-array.sbatch on a real Slurm of one node."""

import tempfile
import time
from pathlib import Path

import pytest

from portrait import make_voice
from slurm_cluster import SlurmCluster, missing_programs

RECIPE = Path(__file__).parents[2] / "examples" / "scale" / "slurm-array.sbatch"

pytestmark = pytest.mark.skipif(bool(missing_programs()), reason=f"needs {', '.join(missing_programs())}")


@pytest.fixture(scope="module")
def slurm():
    with tempfile.TemporaryDirectory(prefix="heygem-slurm-") as folder:
        Path(folder).chmod(0o755)
        cluster = SlurmCluster(Path(folder))
        yield cluster
        cluster.close()


@pytest.fixture
def submit(shell, slurm, batch):
    """Submits a job with options of sbatch, and returns its number."""
    batch.environment |= slurm.environment

    def run(*options, **environment):
        done = shell("sbatch", "--parsable", "--mem=500", *options, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def statuses(batch, journal):
    return {event["id"]: event["event"] for event in batch.events(journal=journal) if "id" in event}


def wait_for(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_array_and_merged_report(submit, slurm, batch):
    array = submit("--array=0-1", "--cpus-per-task=1", RECIPE, batch.manifest, SHARDS="2")
    command = f"heygem batch --merge-reports '{batch.manifest}'.report-?.json --report all.json --json"
    merged = submit(f"--dependency=afterany:{array}", "--output=merged.txt", "--wrap", command)
    assert slurm.wait_for_end(merged)["JobState"] == "COMPLETED"
    assert (batch.folder.parent / "all.json").exists()
    done = [event["id"] for n in (1, 2) for event in batch.events("done", f"m.csv.{n}-of-2.journal.jsonl")]
    assert sorted(done) == ["a", "b", "c"]


def test_time_limit_and_preemption(submit, shell, slurm, batch):
    """What is done stays done, and what a signal interrupts starts again, as often as it takes; canceling ends it."""
    make_voice(batch.folder / "hour.wav", 3600)
    batch.rows("audio,face,id\na.wav,face.mp4,a\nhour.wav,other.mp4,hour")
    journal = "m.csv.1-of-1.journal.jsonl"
    # Slurm looks at the limits every 30 s, and sends the signal up to 30 s early: 20 to 50 s after the start.
    limit = ("--array=0-0", "--cpus-per-task=1", "--time=2", "--signal=TERM@70")
    task = submit(*limit, RECIPE, batch.manifest, SHARDS="1") + "_0"

    wait_for(lambda: slurm.facts(task).get("Restarts") == "1")
    assert statuses(batch, journal) == {"a": "done", "hour": "interrupted"}
    assert shell("scontrol", "update", f"JobId={task}", "TimeLimit=60").returncode == 0

    wait_for(lambda: statuses(batch, journal)["hour"] == "started")
    assert shell("scontrol", "requeue", task).returncode == 0  # as Slurm does for a job of a higher priority
    wait_for(lambda: statuses(batch, journal)["hour"] == "interrupted")

    wait_for(lambda: statuses(batch, journal)["hour"] == "started")
    assert shell("scancel", task).returncode == 0
    facts = slurm.wait_for_end(task)
    assert (facts["JobState"], facts["Restarts"]) == ("CANCELLED", "2")
    assert statuses(batch, journal) == {"a": "done", "hour": "interrupted"}
    assert len(batch.events("done", journal)) == 1


def test_failure_is_not_run_again(submit, slurm, batch):
    """An error would be the same in the next run."""
    batch.rows("audio,face,id\nmissing.wav,face.mp4,a")
    task = submit("--array=0-0", RECIPE, batch.manifest, SHARDS="1") + "_0"
    facts = slurm.wait_for_end(task)
    assert (facts["JobState"], facts["ExitCode"], facts["Restarts"]) == ("FAILED", "2:0", "0")


def test_second_array_of_one_manifest_waits_for_nobody(submit, shell, slurm, batch):
    """Each shard has one task at a time; another one says so and ends."""
    make_voice(batch.folder / "hour.wav", 3600)
    batch.rows("audio,face,id\nhour.wav,face.mp4,hour")
    first = submit("--array=0-0", "--cpus-per-task=1", RECIPE, batch.manifest, SHARDS="1") + "_0"
    wait_for(lambda: statuses(batch, "m.csv.1-of-1.journal.jsonl") == {"hour": "started"})
    second = submit("--array=0-0", "--cpus-per-task=1", RECIPE, batch.manifest, SHARDS="1") + "_0"
    assert slurm.wait_for_end(second)["ExitCode"] == "5:0"
    assert slurm.facts(first)["JobState"] == "RUNNING"
    assert shell("scancel", first).returncode == 0
    assert slurm.wait_for_end(first)["JobState"] == "CANCELLED"
