"""What a batch is asked to do, and where its files are."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from heygem_cli.batch.report_files import ReportFiles
from heygem_cli.batch.shard import Shard, parse_shard
from heygem_cli.options import BatchOptions, EngineOptions, RenderOptions
from heygem_cli.runtime import Settings

STDIN = Path("-")


@dataclass(frozen=True)
class BatchRequest:
    """What the command line asks for.

    Attributes:
        manifest: The manifest; ``-`` for standard input, None for files.
        defaults: Values of the options that a row does not set.
        engines: What the engines are loaded with.
        options: The options of the batch.
        settings: The thread settings of the process.
        given: Names of the options that the command line gives.
        audios: The audio files without a manifest, see :func:`heygem_cli.batch.file_rows.make_file_rows`.
        elsewhere: Whether workers render, which may be on other machines.
    """

    manifest: Path | None
    defaults: RenderOptions = field(default_factory=RenderOptions)
    engines: EngineOptions = field(default_factory=EngineOptions)
    options: BatchOptions = field(default_factory=BatchOptions)
    settings: Settings = field(default_factory=Settings)
    given: frozenset[str] = frozenset()
    audios: tuple[str, ...] = ()
    elsewhere: bool = False

    @cached_property
    def shard(self) -> Shard | None:
        """The shard to render; None for all rows."""
        text = self.options.shard
        return None if text is None else parse_shard(text, os.environ)

    @property
    def report_files(self) -> ReportFiles:
        """The report files to write."""
        return ReportFiles(self.options.report, self.options.junit, self.options.failed_manifest)

    @property
    def name(self) -> str:
        """Name of the manifest in messages and file names."""
        return {None: "batch", STDIN: "stdin"}.get(self.manifest, str(self.manifest))

    @property
    def folder(self) -> Path:
        """The folder of the journal: that of the outputs, or the one from which relative paths of a manifest start."""
        if self.manifest is None:
            return self.options.output_dir
        return Path() if self.manifest == STDIN else self.manifest.parent

    @property
    def journal(self) -> Path:
        """The journal of this run; each shard has its own."""
        shard = f".{self.shard.index}-of-{self.shard.count}" if self.shard else ""
        return self.folder / f"{Path(self.name).name}{shard}.journal.jsonl"

    def other_journals(self) -> list[Path]:
        """Find the journals of other shards and of unsharded runs, whose results count too."""
        return sorted(self._files_of_others("jsonl"))

    def conflicting_locks(self) -> list[Path]:
        """Find the locks of runs that may contain the same rows: unsharded, or with another number of shards."""
        own = self.shard and self.shard.count
        return [path for path, count in self._files_of_others("lock").items() if own is None or count != own]

    def _files_of_others(self, suffix: str) -> dict[Path, int | None]:
        """Find files of other runs of the manifest, with the number of shards of each."""
        pattern = re.compile(re.escape(Path(self.name).name) + rf"(?:\.\d+-of-(\d+))?\.journal\.{suffix}")
        if not self.folder.is_dir():  # it is made with the journal
            return {}
        matches = {path: pattern.fullmatch(path.name) for path in self.folder.iterdir()}
        own = self.journal.with_suffix(f".{suffix}")
        return {path: int(match[1]) if match[1] else None for path, match in matches.items() if match and path != own}
