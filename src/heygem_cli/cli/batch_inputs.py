"""What the arguments of ``heygem batch`` are: a manifest, reports, or audio files with the videos of ``--video``."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import typer

from heygem_cli.batch.media_files import VIDEO, is_list, is_media
from heygem_cli.cluster_options import ADDRESS, ClusterOptions
from heygem_cli.errors import InputError, printable
from heygem_cli.option_fields import declared
from heygem_cli.options import BatchOptions

FLAGS = {each.name: each.flags[-1] for each in declared(BatchOptions)}
FOR_FILES = ("pair", "output_dir", "output_template")
"""Options that only a batch without a manifest has."""

ONE_RUN = ("dry_run", "write_manifest", "merge_reports", "only", "fail_fast", "max_failures")
REPORTS = ("report", "junit", "failed_manifest")
EXCLUSIVE = (
    ("dry_run", "write_manifest"),
    ("merge_reports", "write_manifest"),
    ("merge_reports", "videos"),
    *(("watch_folder", name) for name in (*ONE_RUN, *REPORTS)),  # it has many runs, of which each would replace them
)
"""Options that do not go together."""


class BatchCommand(typer.core.TyperCommand):
    """Takes all videos that follow ``--video``, as the shell makes them of a pattern, and ``--ray`` without a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401, D102
        return super().parse_args(ctx, _complete_ray(_repeat_video(args)))


def _repeat_video(arguments: Sequence[str]) -> list[str]:
    """Return the command line with ``--video`` before each of the videos that follow it."""
    repeated: list[str] = []
    in_videos = False
    for number, argument in enumerate(arguments):
        is_value = number > 0 and arguments[number - 1] == "--video"
        in_videos = is_value or (in_videos and Path(argument).suffix.lower() in VIDEO)
        repeated += ["--video", argument] if in_videos and not is_value else [argument]
    return repeated


def _complete_ray(arguments: Sequence[str]) -> list[str]:
    """Return the command line with an address after each ``--ray``."""
    complete: list[str] = []
    for argument, following in itertools.zip_longest(arguments, arguments[1:], fillvalue=""):
        complete.append(argument)
        if argument == "--ray" and not (ADDRESS.fullmatch(following) or following.startswith("ray://")):
            complete.append("auto")
    return complete


def check_cluster(cluster: ClusterOptions, options: BatchOptions, given: Collection[str]) -> None:
    """Check that the options of a cluster go with the others.

    Raises:
        InputError: ``bad-options``.
    """
    for each in declared(ClusterOptions):
        if cluster.ray is None and each.name in given:
            raise InputError("bad-options", f"{each.flags[-1]} is for --ray", hint="Add --ray")
    reasons = {
        "isolate": "Leave --isolate out: each worker of a cluster is a process of its own",
        "merge_reports": "Leave --ray out: nothing is rendered",
        "write_manifest": "Leave --ray out: nothing is rendered",
    }
    for name, hint in reasons.items():
        if cluster.ray is not None and getattr(options, name):
            raise InputError("bad-options", f"--ray and {FLAGS[name]} exclude each other", hint=hint)


def choose_source(
    inputs: Sequence[str], options: BatchOptions, given: Collection[str]
) -> tuple[Path | None, tuple[str, ...]]:
    """Return the manifest, or None and the audio files.

    Raises:
        InputError: Both are given, or neither, or an option does not fit.
    """
    for pair in EXCLUSIVE:
        if all(getattr(options, name) for name in pair):
            one, other = (FLAGS[name] for name in pair)
            raise InputError("bad-options", f"{one} and {other} exclude each other", hint="Use one of them")
    if options.merge_reports:
        return Path(_only([*inputs[:1]])), ()
    lists = [name for name in inputs if is_list(name)]
    media = [name for name in inputs if name not in lists and (options.videos or is_media(name))]
    if options.watch_folder is not None:
        return _watched(inputs, options)
    if lists and (media or "videos" in given):  # a configuration file may name a video for all batches of files
        message = f"{printable(lists[0])} is a manifest, and audio files or --video are given, too"
        raise InputError("mixed-inputs", message, hint="The manifest names all files itself: give one or the other")
    if options.videos and not lists:
        if not media:
            hint = "Name audio files, a folder or a pattern in quotes before --video"
            raise InputError("missing-argument", "no audio file is given", hint=hint)
        return None, tuple(media)
    if media:
        message = f"{printable(media[0])} is no manifest, and there is no --video"
        raise InputError("no-video-given", message, hint="Name the video of the person with --video, or a manifest")
    for name in FOR_FILES:
        if name in given:
            flag = FLAGS[name]
            message = f"{flag} is for audio files with --video, and a manifest is given"
            raise InputError("mixed-inputs", message, hint="The manifest names all files itself: leave the option out")
    return Path(_only(inputs)), ()


def _watched(inputs: Sequence[str], options: BatchOptions) -> tuple[None, tuple[str, ...]]:
    if inputs:
        message = f"--watch-folder names the audio files, and {printable(inputs[0])} is given, too"
        raise InputError("mixed-inputs", message, hint="Copy the file into the folder, or start a second command")
    if not options.videos:
        raise InputError("no-video-given", "there is no --video", hint="Name the video of the person with --video")
    return None, ()


def _only(inputs: Sequence[str]) -> str:
    if not inputs:
        raise InputError("missing-argument", "MANIFEST is missing", hint="Run: heygem batch MANIFEST")
    if len(inputs) > 1:
        hint = "Put the rows into one, or start a command for each"
        raise InputError("one-manifest", f"{len(inputs)} manifests were given", hint=hint)
    return inputs[0]
