"""``heygem batch``: a manifest of videos."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heygem_cli.cli.output import console, print_json
from heygem_cli.cli.parameters import Given, command
from heygem_cli.cli.progress import show_checking
from heygem_cli.errors import InputError
from heygem_cli.options import BatchOptions, DisplayOptions, EngineOptions, RenderOptions
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from heygem_cli.batch.plan import PlannedJob
    from heygem_cli.batch.report import BatchReport
    from heygem_cli.batch.session import BatchRequest
    from heygem_cli.errors import HeygemError


@command
def batch(
    manifest: Annotated[
        list[Path],
        typer.Argument(
            metavar="MANIFEST",
            help="CSV with a header, JSON Lines or a JSON list; - for standard input. With --merge-reports: reports.",
        ),
    ],
    *,
    options: BatchOptions,
    defaults: RenderOptions,
    engines: EngineOptions,
    display: DisplayOptions,
    given: Given,
) -> None:
    """Render every row of MANIFEST; run the same command again to continue where it stopped.

    Columns: audio and face; optional are id, output and the options below that may differ from row to row.
    """
    settings = read_settings(os.environ, defaults.encode.threads)
    apply_settings(settings, os.environ)
    if not display.debug:
        hide_native_output()
    from heygem_cli.batch.session import BatchRequest, check_batch, dry_run

    request = BatchRequest(_only_one(manifest, options), defaults, engines, options, settings, given)
    if options.merge_reports:
        report, unwritten = _merge(manifest, request)
    elif options.dry_run:
        with show_checking(quiet=display.quiet) as on_checked:
            jobs = dry_run(check_batch(request, on_checked))
        _show_plan(jobs, as_json=display.as_json)
        return
    else:
        report, unwritten = _run(request, display)
    _show_report(report, display)
    for error in unwritten:
        raise error
    raise typer.Exit(report.exit_code)


def _run(request: BatchRequest, display: DisplayOptions) -> tuple[BatchReport, list[HeygemError]]:
    from heygem_cli.batch.session import check_batch, run_batch
    from heygem_cli.cli.batch_show import BatchProgress, open_display

    with show_checking(quiet=display.quiet) as on_checked:
        checked = check_batch(request, on_checked)
    with open_display(quiet=display.quiet, debug=display.debug) as screen:
        return run_batch(checked, lambda jobs: BatchProgress(jobs, screen))


def _only_one(manifests: list[Path], options: BatchOptions) -> Path:
    if len(manifests) != 1 and not options.merge_reports:
        hint = "Put the rows into one, or start a command for each"
        raise InputError("one-manifest", f"{len(manifests)} manifests were given", hint=hint)
    return manifests[0]


def _merge(paths: list[Path], request: BatchRequest) -> tuple[BatchReport, list[HeygemError]]:
    from heygem_cli.batch.report import merge_reports, read_report

    files = request.report_files
    if files.failed_manifest is not None:
        hint = "Run the manifest once more without --shard, which renders nothing that is done"
        raise InputError("not-of-reports", "--failed-manifest cannot be made of reports", hint=hint)
    files.check(paths, ())
    merged = merge_reports([read_report(path) for path in paths])
    return merged, files.write(merged)


def _show_plan(jobs: list[PlannedJob], *, as_json: bool) -> None:
    from heygem_cli.cli.batch_show import plan_object, plan_summary, plan_table, print_table

    if as_json:
        print_json(plan_object(jobs))
    else:
        print_table(plan_table(jobs), plan_summary(jobs))


def _show_report(report: BatchReport, display: DisplayOptions) -> None:
    from heygem_cli.cli.batch_show import print_report

    if display.as_json:
        print_json(report.to_dict())
    elif not display.quiet:
        print_report(report)
    for name in report.missing:
        console(stderr=True).print(f"There is no report of shard {name}")
    if report.counts["failed"]:
        console(stderr=True).print("Failed rows are left alone until you add --retry-failed", style="dim")
