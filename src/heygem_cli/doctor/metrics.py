"""Metrics for the textfile collector of Prometheus' node-exporter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from heygem_cli.doctor import log_checks, probes
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.log_file import Log
from heygem_cli.doctor.runner import CheckResult
from heygem_cli.errors import HeygemError
from heygem_cli.files import write_atomically
from heygem_cli.heygem.installation import config_ini, tree
from heygem_cli.heygem.installation.files import read_small
from heygem_cli.heygem.installation.log_messages import MESSAGES

STATUS = {"skip": -1, "ok": 0, "warn": 1, "fail": 2}
_BLOCKING = tuple(message.name for message in MESSAGES if message.needs_restart)

Sample = tuple[Mapping[str, str], float]


def write_metrics(path: Path, results: Sequence[CheckResult], inputs: Inputs) -> None:
    """Write the metrics of a round of checks, atomically.

    Raises:
        HeygemError: The file cannot be written.
    """
    metrics: dict[str, tuple[str, list[Sample]]] = {
        "check_status": (
            "Result of each check: 0 ok, 1 warning, 2 failure, -1 skipped.",
            [({"check": each.id}, STATUS[each.status]) for each in results],
        )
    }
    for name, text, samples in _measured(inputs):
        metrics[name] = (text, samples)
    content = "".join(_format(f"heygem_{name}", text, samples) for name, (text, samples) in metrics.items())
    write_atomically(path, content.encode(), mode=0o644)  # node-exporter is another user


def _format(name: str, text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        lines.append(f"{name}{{{inner}}} {value:.12g}" if inner else f"{name} {value:.12g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _measured(inputs: Inputs) -> Iterator[tuple[str, str, list[Sample]]]:
    yield "last_check_seconds", "When these figures were taken, in seconds since 1970.", [({}, inputs.now)]
    log = log_checks.log(inputs)
    if isinstance(log, Log):
        yield from _of_log(inputs, log)
    gpus = probes.nvml(inputs).facts.get("devices", [])
    busy = [(str(number), gpu["utilization"]) for number, gpu in enumerate(gpus) if gpu["utilization"] is not None]
    if busy:
        text = "Share of the time in which the GPU computed."
        yield "gpu_utilization_ratio", text, [({"gpu": number}, percent / 100) for number, percent in busy]
    if gpus:
        yield (
            "gpu_memory_used_bytes",
            "Memory of the GPU that is taken.",
            [({"gpu": str(number)}, gpu["total"] - gpu["free"]) for number, gpu in enumerate(gpus)],
        )
    system = inputs.machine.file_system(inputs.dev / "shm")
    if system is not None:
        yield "shm_size_bytes", "Size of /dev/shm.", [({}, system.size)]
        yield "shm_free_bytes", "Free space of /dev/shm.", [({}, system.free)]
    size = _temporary_bytes(inputs)
    if size is not None:
        yield "temp_bytes", "Size of HeyGem's temp_dir.", [({}, size)]


def _of_log(inputs: Inputs, log: Log) -> Iterator[tuple[str, str, list[Sample]]]:
    stuck = log_checks.stuck(inputs, log).status == "fail"
    counts = [log.counts[name] for name in _BLOCKING if name in log.counts]
    blocked = stuck or any((each.since_start or each.outside) and not each.healed for each in counts)
    yield "queue_blocked", "1 if HeyGem finishes no more jobs until it is restarted.", [({}, int(blocked))]
    yield "job_running", "1 while a job runs.", [({}, int(log.job is not None))]
    yield "jobs_done", "Jobs that succeeded since HeyGem's last start, as far as its log shows.", [({}, log.done)]
    yield "jobs_failed", "Jobs that failed since HeyGem's last start, as far as its log shows.", [({}, log.failed)]
    if log.last_job is not None:
        age = log.last_job + (max(0.0, inputs.now - log.modified) if log.modified is not None else 0.0)
        yield "last_job_age_seconds", "Seconds since the last job ended or made progress.", [({}, age)]


def _temporary_bytes(inputs: Inputs) -> float | None:
    if inputs.home is None:
        return None
    path = inputs.home / tree.CONFIG_INI
    try:
        folder = config_ini.parse(read_small(path), path).get("temp", "temp_dir")
    except HeygemError:
        return None
    if folder is None:
        return None
    name = inputs.machine.shown(str(inputs.home / folder))
    result = inputs.machine.run(["du", "-sk", name], environment=inputs.environment, timeout=inputs.timeout)
    kilobytes = result.stdout.partition("\t")[0]
    return int(kilobytes) * 1024.0 if not result.failure and kilobytes.isdecimal() else None
