"""``heygem batch``: a manifest of videos."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heygem_cli.cli.output import console, print_json, report_errors
from heygem_cli.cli.parameters import (
    SERVICE_URL,
    AllowCpuOption,
    CondaEnvOption,
    CrfOption,
    DebugOption,
    DeviceOption,
    EncoderOption,
    EngineOption,
    FaceOption,
    HomeOption,
    JsonOption,
    LoopOption,
    MapOption,
    MissingFaceOption,
    NoCacheOption,
    OverwriteOption,
    PresetOption,
    PythonOption,
    QuietOption,
    RecycleAfterOption,
    StallTimeoutOption,
    ThreadsOption,
    UrlOption,
    engine_settings,
    render_options,
)
from heygem_cli.cli.signals import raise_on_signal
from heygem_cli.errors import InputError
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from heygem_cli.batch.plan import PlannedJob
    from heygem_cli.batch.report import BatchReport
    from heygem_cli.batch.report_files import ReportFiles
    from heygem_cli.errors import HeygemError


def batch(
    manifest: Annotated[
        list[Path],
        typer.Argument(
            metavar="MANIFEST",
            help="CSV with a header, JSON Lines or a JSON list; - for standard input. With --merge-reports: reports.",
        ),
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, show what would be done.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Render every row, done or not.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try rows again that have failed.")] = False,
    only: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this row; may be repeated.")] = None,
    retries: Annotated[
        int,
        typer.Option(
            min=0, envvar="HEYGEM_RETRIES", help="How often a job is tried again in a run if its error can pass."
        ),
    ] = 1,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", envvar="HEYGEM_FAIL_FAST", help="Stop at the first failed job.")
    ] = False,
    max_failures: Annotated[
        int | None, typer.Option(min=1, envvar="HEYGEM_MAX_FAILURES", metavar="N", help="Stop after N failed jobs.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=1,
            envvar="HEYGEM_TIMEOUT",
            metavar="SECONDS",
            help="Time for each job. Default: 300 and ten times its audio.",
        ),
    ] = None,
    isolate: Annotated[
        bool,
        typer.Option(
            "--isolate",
            envvar="HEYGEM_ISOLATE",
            help="Render in a child process, so that the batch survives a crash by itself.",
        ),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N|auto|auto/N",
            envvar="HEYGEM_SHARD",
            help="Only share I of N; auto: as Slurm or Kubernetes tell.",
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as JSON.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as JUnit XML.")] = None,
    failed_manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the rows that failed as a new manifest.")
    ] = None,
    merge_reports: Annotated[
        bool, typer.Option("--merge-reports", help="Put the reports of shards together instead of rendering.")
    ] = False,
    overwrite: OverwriteOption = False,
    engine: EngineOption = "mesh",
    face_choice: FaceOption = "largest",
    loop: LoopOption = "pingpong",
    on_missing_face: MissingFaceOption = "pass",
    crf: CrfOption = 18,
    preset: PresetOption = "veryfast",
    encoder: EncoderOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    no_cache: NoCacheOption = False,
    home: HomeOption = None,
    python: PythonOption = None,
    conda_env: CondaEnvOption = None,
    stall_timeout: StallTimeoutOption = 120.0,
    recycle_after: RecycleAfterOption = 25,
    allow_cpu: AllowCpuOption = False,
    url: UrlOption = SERVICE_URL,
    maps: MapOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Render every row of MANIFEST; run the same command again to go on where it stopped.

    Columns: audio, face, and if you like id, output and the options below (--face is face_choice).
    """
    with report_errors(as_json=as_json, debug=debug), raise_on_signal():
        settings = read_settings(os.environ, threads)
        apply_settings(settings, os.environ)
        if not debug:
            hide_native_output()
        from heygem_cli.batch import session, worker
        from heygem_cli.batch.report_files import ReportFiles
        from heygem_cli.batch.runner import Policy
        from heygem_cli.batch.shard import parse_shard
        from heygem_cli.cli.batch_show import BatchProgress, open_display

        targets = ReportFiles(report, junit, failed_manifest)
        if merge_reports:
            done, lost = _merged(manifest, targets)
        else:
            engines = engine_settings(
                device=device,
                process=settings,
                home=home,
                python=python,
                conda_env=conda_env,
                stall_timeout=stall_timeout,
                recycle_after=recycle_after,
                allow_cpu=allow_cpu,
                url=url,
                maps=maps,
            )
            request = session.BatchRequest(
                manifest=_only_one(manifest),
                defaults=render_options(
                    engine=engine,
                    face=face_choice,
                    loop=loop,
                    on_missing_face=on_missing_face,
                    crf=crf,
                    preset=preset,
                    encoder=encoder,
                    threads=threads,
                    no_cache=no_cache,
                ),
                engines=engines,
                overwrite=overwrite,
                force=force,
                retry_failed=retry_failed,
                only=frozenset(only or ()),
                shard=None if shard is None else parse_shard(shard, os.environ),
                targets=targets,
            )
            checked = session.check_batch(request)
            if dry_run:
                _show_plan(session.dry_run(checked), as_json=as_json)
                return
            policy = Policy(checked.run_id, retries, 1 if fail_fast else max_failures, timeout)
            executor = worker.ChildProcessWorker if isolate else worker.InProcessWorker
            with open_display(quiet=quiet, debug=debug) as display:
                done, lost = session.run_batch(checked, policy, executor, lambda jobs: BatchProgress(jobs, display))
        _show_report(done, as_json=as_json, quiet=quiet)
        for error in lost:
            raise error
        raise typer.Exit(done.exit_code)


def _only_one(manifests: list[Path]) -> Path:
    if len(manifests) != 1:
        hint = "Put the rows into one, or start a command for each"
        raise InputError("one-manifest", f"{len(manifests)} manifests were given", hint=hint)
    return manifests[0]


def _merged(paths: list[Path], targets: ReportFiles) -> tuple[BatchReport, list[HeygemError]]:
    from heygem_cli.batch.report import merge_reports, read_report

    if targets.failed_manifest is not None:
        hint = "Run the manifest once more without --shard, which renders nothing that is done"
        raise InputError("not-of-reports", "--failed-manifest cannot be made of reports", hint=hint)
    targets.check(paths, ())
    merged = merge_reports([read_report(path) for path in paths])
    return merged, targets.write(merged)


def _show_plan(jobs: list[PlannedJob], *, as_json: bool) -> None:
    from heygem_cli.cli.batch_show import plan_object, plan_summary, plan_table, print_table

    if as_json:
        print_json(plan_object(jobs))
    else:
        print_table(plan_table(jobs), plan_summary(jobs))


def _show_report(report: BatchReport, *, as_json: bool, quiet: bool) -> None:
    from heygem_cli.cli.batch_show import print_report

    if as_json:
        print_json(report.to_dict())
    elif not quiet:
        print_report(report)
    for name in report.missing:
        console(stderr=True).print(f"There is no report of shard {name}")
    if report.counts["failed"]:
        console(stderr=True).print("Failed rows are left alone until you add --retry-failed", style="dim")
