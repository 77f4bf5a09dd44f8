"""``heygem batch``: a manifest of videos."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from heygem_cli.cli.batch_inputs import check_cluster, choose_source
from heygem_cli.cli.output import (
    console,
    format_counts,
    format_duration,
    format_speed,
    frames_by_reason,
    print_error,
    print_json,
    print_table,
)
from heygem_cli.cli.parameters import Given, command
from heygem_cli.cluster_options import ClusterOptions
from heygem_cli.errors import InputError, StoppedError, plural, printable
from heygem_cli.extras import require_extra
from heygem_cli.option_fields import with_values
from heygem_cli.options import ROW_OPTIONS, BatchOptions, DisplayOptions, EngineOptions, RenderOptions
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from heygem_cli.batch.plan import PlannedJob
    from heygem_cli.batch.report import BatchReport, JobReport
    from heygem_cli.batch.request import BatchRequest
    from heygem_cli.batch.session import CheckedBatch, OpenPool
    from heygem_cli.errors import HeygemError

MAX_MISSING = 50
"""Number of missing shards that are listed."""
WIDE = 100
"""Width of a terminal, in columns, from which the table of a report has all its columns."""
ALL_ROWS = 40
"""Number of jobs up to which the table of a report has all of them; of more, it has those that are not done."""
COLORS = {"done": "green", "failed": "red", "interrupted": "yellow", "waiting": "yellow", "changed": "cyan"}


@command
def batch(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MANIFEST | AUDIO...",
            help="A manifest: CSV with a header, JSON Lines or a JSON list; - for standard input. Or, with --video, "
            "audio files, folders, and patterns in quotes. With --merge-reports: reports.",
        ),
    ] = None,
    *,
    options: BatchOptions,
    defaults: RenderOptions,
    engines: EngineOptions,
    cluster: ClusterOptions,
    display: DisplayOptions,
    given: Given,
) -> None:
    """Render every row of MANIFEST, or every AUDIO. Run the same command again to continue where it stopped.

    Columns of a manifest: audio and face; optional are id, output and the options that may differ from row to row:
    {options}.
    """
    check_cluster(cluster, options, given)
    if cluster.ray is not None:
        defaults = with_values(defaults, {"threads": defaults.encode.threads or math.ceil(cluster.ray_cpus)})
    settings = read_settings(os.environ, defaults.encode.threads)
    apply_settings(settings, os.environ)
    if not display.debug:
        hide_native_output()
    from heygem_cli.batch.request import BatchRequest
    from heygem_cli.batch.session import dry_run

    manifest, audios = choose_source(inputs or [], options, given)
    elsewhere = cluster.ray is not None
    request = BatchRequest(manifest, defaults, engines, options, settings, given, audios, elsewhere)
    if options.dry_run and not options.merge_reports:
        _show_plan(dry_run(_check(request, display)), as_json=display.as_json)
    elif options.write_manifest is not None:
        _write_manifest(options.write_manifest, request, display)
    elif options.watch_folder is not None:
        _watch(options.watch_folder, request, cluster, display)
    else:
        reports = [Path(name) for name in inputs or []]
        _finish(_merge(reports, request) if options.merge_reports else _run(request, cluster, display), display)


batch.__doc__ = (batch.__doc__ or "").replace("{options}", ", ".join(ROW_OPTIONS))


def _finish(result: tuple[BatchReport, list[HeygemError]], display: DisplayOptions) -> None:
    """Print the report of a run, and end with its exit status."""
    report, unwritten = result
    _show_report(report, display)
    for error in unwritten:
        raise error
    raise typer.Exit(report.exit_code)


def _check(request: BatchRequest, display: DisplayOptions) -> CheckedBatch:
    from heygem_cli.batch.session import check_batch
    from heygem_cli.cli.progress import show_checking

    with show_checking(quiet=display.quiet) as on_checked:
        checked = check_batch(request, on_checked)
    for note in () if display.quiet or request.options.watch_folder else checked.notes:
        console(stderr=True).print(Text(note, style="dim"))
    return checked


def _run(
    request: BatchRequest, cluster: ClusterOptions, display: DisplayOptions
) -> tuple[BatchReport, list[HeygemError]]:
    from heygem_cli.batch.session import run_batch
    from heygem_cli.cli.progress import show_batch_progress

    open_pool = _pool(cluster, display)
    checked = _check(request, display)
    with show_batch_progress(quiet=display.quiet, debug=display.debug) as make_observer:
        return run_batch(checked, make_observer, open_pool)


def _pool(cluster: ClusterOptions, display: DisplayOptions) -> OpenPool | None:
    if cluster.ray is None:
        return None
    require_extra("ray", "ray")
    from heygem_cli.scale.ray_pool import open_pool

    return partial(open_pool, cluster, debug=display.debug)


def _watch(folder: Path, request: BatchRequest, cluster: ClusterOptions, display: DisplayOptions) -> None:
    from heygem_cli.cli.watch_folder import watch_folder

    def run(arrived: BatchRequest) -> int | None:
        report, _ = _run(arrived, cluster, display)
        _show_report(report, display, one_line=True)
        return report.stopped

    watch_folder(folder, request, run, quiet=display.quiet)


def _write_manifest(path: Path, request: BatchRequest, display: DisplayOptions) -> None:
    """Write the rows as a manifest.

    Raises:
        typer.Exit: 3, if rows with problems were left out.
    """
    from heygem_cli.batch.report_files import check_new_manifest, write_new_manifest

    check_new_manifest(path)
    checked = _check(request, display)
    write_new_manifest(path, [each.row for each in checked.rows])
    if display.as_json:
        print_json({"manifest": str(path), "rows": len(checked.rows)})
    elif not display.quiet:
        console().print(Text(f"{printable(path)}: {plural(len(checked.rows), 'row')}"))
    for job in checked.unusable:
        hint = f". {job.hint}" if job.hint else ""
        console(stderr=True).print(Text(f"row {job.row.number} is left out: {printable(job.reason + hint)}"))
    if checked.unusable:
        raise typer.Exit(3)


def _merge(paths: list[Path], request: BatchRequest) -> tuple[BatchReport, list[HeygemError]]:
    from heygem_cli.batch.report import merge_reports, read_report

    files = request.report_files
    if files.failed_manifest is not None:
        hint = "Run the manifest once more without --shard, which renders nothing that is done"
        raise InputError("not-of-reports", "--failed-manifest cannot be used with --merge-reports", hint=hint)
    files.check(paths, ())
    merged = merge_reports([read_report(path) for path in paths])
    return merged, files.write(merged)


def _show_plan(jobs: list[PlannedJob], *, as_json: bool) -> None:
    if as_json:
        print_json(_plan_to_dict(jobs))
    else:
        _print_table(_plan_table(jobs), _plan_summary(jobs))


def _show_report(report: BatchReport, display: DisplayOptions, *, one_line: bool = False) -> None:
    from heygem_cli.batch.report import UNUSABLE

    if display.as_json:
        print_json(report.to_dict(), one_line=one_line)
    elif not display.quiet:
        wide = console().width >= WIDE
        texts = ("" if wide else _report_errors(report), _report_warnings(report), _report_summary(report))
        _print_table(_report_table(report, wide=wide), *texts)
    for name in report.missing[:MAX_MISSING]:
        console(stderr=True).print(f"There is no report of shard {name}")
    if len(report.missing) > MAX_MISSING:
        console(stderr=True).print(f"… and of {len(report.missing) - MAX_MISSING} others")
    if any(job.status == "failed" and job.error and job.error["code"] != UNUSABLE for job in report.jobs):
        console(stderr=True).print("Failed rows are left alone until you add --retry-failed", style="dim")
    if report.stopped is not None:
        print_error(StoppedError(report.stopped))


def _plan_to_dict(jobs: Sequence[PlannedJob]) -> dict[str, object]:
    listed = [
        {
            "id": job.row.id,
            "row": job.row.number,
            "action": job.action,
            "why": job.reason,
            "seconds": round(job.audio_seconds, 3),
            "output": job.row.path,
        }
        for job in jobs
    ]
    return {"seconds": round(sum(job.audio_seconds for job in jobs if job.needs_rendering), 3), "jobs": listed}


def _plan_table(jobs: Sequence[PlannedJob]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("row", "id", "action", "why", "seconds", "output"):
        table.add_column(name, justify="right" if name in ("row", "seconds") else "left")
    for job in jobs:
        table.add_row(
            str(job.row.number),
            Text(printable(job.row.id)),
            Text(job.action, style=COLORS.get(job.action, "")),
            Text(printable(job.reason)),
            f"{job.audio_seconds:.1f}",
            Text(printable(job.row.path)),
        )
    return table


def _plan_summary(jobs: Sequence[PlannedJob]) -> str:
    names = {"do": "to do", "changed": "changed", "done": "done", "failed": "failed"}
    counts = {name: sum(job.action == action for job in jobs) for action, name in names.items()}
    left = sum(job.audio_seconds for job in jobs if job.needs_rendering)
    duration = f"{left:.1f} s" if left < 60 else format_duration(left)
    return f"{plural(len(jobs), 'job')}: {format_counts(counts.items())}; {duration} of audio to render"


def _report_table(report: BatchReport, *, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False)
    names = ("row", "id", "status", "attempts", "seconds", "speed", "not rendered", "error")
    shown_names = names if wide else names[:5]
    for name in shown_names:
        table.add_column(name, justify="left" if name in ("id", "status", "not rendered", "error") else "right")
    for job in report.jobs:
        if len(report.jobs) <= ALL_ROWS or job.status != "done":
            cells = (
                str(job.row),
                Text(printable(job.id)),
                Text("already done", style="dim") if job.already_done else Text(job.status, style=COLORS[job.status]),
                str(job.attempts),
                f"{job.seconds:.1f}",
                format_speed(job.real_time_factor) if job.real_time_factor else "",
                "" if job.frames_without_face is None else format_counts(frames_by_reason(asdict(job)).items()),
                Text(_format_error(job)),
            )
            table.add_row(*cells[: len(shown_names)])
    return table


def _report_errors(report: BatchReport) -> str:
    """Return a paragraph for each error, for a terminal that is too narrow for the column."""
    return "\n".join(f"row {job.row}: {_format_error(job)}" for job in report.jobs if job.error)


def _report_warnings(report: BatchReport) -> str:
    return "\n".join(f"row {job.row}: warning: {printable(text)}" for job in report.jobs for text in job.warnings)


def _format_error(job: JobReport) -> str:
    error = f"{job.error['code']}: {job.error['message']}. {job.error['hint']}" if job.error else ""
    return printable(error.rstrip(". "))


def _report_summary(report: BatchReport) -> str:
    counts = {"done": 0, "already done": report.already_done, **report.counts}
    counts["done"] -= report.already_done
    return f"{plural(len(report.jobs), 'job')}: {format_counts(counts.items())}, in {format_duration(report.seconds)}"


def _print_table(table: Table, *texts: str) -> None:
    """Print a table unless it is empty, and texts below it."""
    if table.row_count:
        print_table(table)
    for text in filter(None, texts):
        console().print(Text(text))
