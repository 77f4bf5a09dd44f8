"""Every option of render and batch, declared once; ``maintenance_options.py`` has those of the other commands.

A field of a dataclass below is an option of the command line, of the Python API and, where its scope is ``row``, a
column of a manifest. Parameters and ``--help``, columns, overrides of a row, content keys and the tables of the
documentation are all derived from these fields, see :mod:`heygem_cli.option_fields` and docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from heygem_cli.color import Color, parse_color
from heygem_cli.folder_map import FolderMap, parse_map
from heygem_cli.name_template import FIELDS, NameTemplate, parse_name_template
from heygem_cli.option_fields import Declared, declared, option, value_of
from heygem_cli.person import Person, Speech, parse_person, parse_speech
from heygem_cli.times import parse_time

LoopMode = Literal["pingpong", "forward", "hold", "none"]
MissingFace = Literal["pass", "hold", "fail"]
Encoder = Literal["auto", "libx264", "h264_nvenc"]
Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"
]
Quality = Literal["draft", "good", "best"]
QUALITIES: Mapping[Quality, tuple[int, Preset]] = {
    "draft": (28, "ultrafast"),
    "good": (18, "veryfast"),
    "best": (14, "slow"),
}
"""The CRF and the preset of each quality."""
PixelFormat = Literal["8bit", "10bit"]
Device = Literal["auto", "cpu", "cuda"]

run_option = partial(option, scope="run", changes_output=False)


@dataclass(frozen=True)
class EncodeOptions:
    """How the output is encoded."""

    quality: Quality = option(
        "good", "`draft` is fast, with a roughly painted mouth, `best` is slow; sets `--crf` and `--preset`."
    )
    crf: int | None = option(
        None,
        "Quality of the video, 0 to 51: lower is better, in a larger file.",
        minimum=0,
        maximum=51,
        default_text="18, draft 28, best 14",
    )
    preset: Preset | None = option(
        None,
        "Speed of libx264 and libx265, `ultrafast` to `placebo`: slower makes smaller files.",
        default_text="`veryfast`, draft `ultrafast`, best `slow`",
    )
    encoder: Encoder = option("auto", "The video encoder: `libx264`, `h264_nvenc`, or `auto`: NVENC where it works.")
    pixel_format: PixelFormat = option(
        "8bit",
        "Bits per colour of the output: `8bit`, or `10bit`, which keeps 10 bits and HDR, as HEVC by libx265 (with "
        "`--encoder libx264` as H.264, which few players support).",
    )
    threads: int | None = run_option(
        None,
        "Threads of the networks and of the encoder.",
        minimum=1,
        maximum=128,
        default_text="as many as there are cores, or as the container may use; at most 4 for the networks",
    )

    @property
    def crf_and_preset(self) -> tuple[int, Preset]:
        """Return the CRF and the preset: those given, else those of the quality."""
        crf, preset = QUALITIES[self.quality]
        return crf if self.crf is None else self.crf, self.preset or preset


@dataclass(frozen=True)
class RenderOptions:
    """How a job is rendered."""

    overwrite: bool = option(
        False,
        "Replace an existing output, which otherwise is an error.",
        flags=("-y", "--overwrite"),
        changes_output=False,
    )
    engine: str = option(
        "mesh", "What draws: `mesh`, built in, or an existing HeyGem: `heygem` or `heygem-http`.", metavar="NAME"
    )
    person: Person = option(
        Person(),
        "Who speaks: a number of `heygem faces`, a picture of the person, a point `X,Y` in pixels, `left`, `center`, "
        "`right`, the `largest` face, or `main`, who is seen most.",
        metavar="N|PICTURE|X,Y|left|center|right|largest|main",
        hidden_flag="--face",
        hidden_column="face_choice",
        parse=parse_person,
    )
    speak: tuple[Speech, ...] = option(
        (),
        "What each of several people says, instead of AUDIO and `--person`; may be repeated.",
        metavar="PERSON=FILE",
        variable=False,
        parse=parse_speech,
    )
    sound: Path | None = option(
        None,
        "With `--speak`: the sound of the output.",
        metavar="FILE",
        variable=False,
        is_input=True,
        default_text="the mix of what people say",
    )
    audio_track: int | None = option(
        None,
        "Which audio track of AUDIO is spoken, counted from 1.",
        metavar="N",
        minimum=1,
        default_text="the default track of the file, or else the first",
    )
    video_track: int | None = option(
        None,
        "Which video track of FACE is shown, counted from 1.",
        metavar="N",
        minimum=1,
        default_text="the default track of the file, or else the first",
    )
    start: float = option(
        0.0,
        "Where in AUDIO to begin, in seconds or as `h:mm:ss`.",
        metavar="TIME",
        minimum=0,
        variable=False,
        parse=parse_time,
        default_text="its beginning",
    )
    duration: float | None = option(
        None,
        "How much of AUDIO to use, in seconds or as `h:mm:ss`.",
        metavar="TIME",
        minimum=0,
        variable=False,
        parse=parse_time,
        default_text="all of it",
    )
    face_start: float = option(
        0.0,
        "Where in FACE to begin, in seconds or as `h:mm:ss`.",
        metavar="TIME",
        minimum=0,
        variable=False,
        parse=parse_time,
        default_text="its beginning",
    )
    drive_audio: Path | None = option(
        None,
        "The audio that the mouth follows instead of AUDIO, which stays the sound: the vocals of a song, for example.",
        metavar="FILE",
        is_input=True,
        variable=False,
    )
    loop: LoopMode = option(
        "pingpong",
        "If the audio is longer than the face video: `pingpong` plays it forwards and backwards, `forward` starts it "
        "again, `hold` repeats the last frame, `none` is an error.",
    )
    on_missing_face: MissingFace = option(
        "pass", "Frames without the face: `pass` them unchanged, `hold` the last frame that has it, or `fail`."
    )
    mouth: float = option(
        1.0, "How far the mouth opens: 1 is the person's own way, less is calmer.", minimum=0, maximum=1.5
    )
    idle: float = option(
        0.5,
        "How much a person in a photograph moves besides the mouth: blinks, head, breath; 0 moves the mouth only.",
        minimum=0,
        maximum=1,
    )
    background: Color = option(
        Color(255, 255, 255),
        "The colour behind transparent parts of FACE: a name of CSS such as `green`, or `'#RRGGBB'`.",
        metavar="COLOR",
        parse=parse_color,
        default_text="`white`",
    )
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    timeline: Path | None = option(
        None,
        "Write what became of the person in every frame, with times: `.csv` or `.json`.",
        metavar="FILE",
        changes_output=False,
        variable=False,
    )
    no_cache: bool = option(False, "Do not read or write the cached track of the face video.", changes_output=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are read besides the audio and the face video."""
        named = (self.person.picture, self.drive_audio, self.sound)
        spoken = (file for speech in self.speak for file in speech.files)
        return (*(path for path in named if path is not None), *spoken)


def with_found_files(options: RenderOptions, find: Callable[[str], Path]) -> RenderOptions:
    """Return options in which every file that is read is where ``find`` finds it by its name."""

    def found(path: Path | None) -> Path | None:
        return None if path is None else find(str(path))

    return replace(
        options,
        person=options.person.located(find),
        speak=tuple(speech.located(find) for speech in options.speak),
        sound=found(options.sound),
        drive_audio=found(options.drive_audio),
    )


HEYGEM_PACE = 60.0
"""Seconds that a job of a HeyGem engine may take for each second of audio: a slow GPU draws half a frame a second."""


@dataclass(frozen=True)
class EngineOptions:
    """What engines are loaded with; each engine uses what concerns it."""

    device: Device = run_option(
        "auto", "Where the networks run: `cpu`, `cuda` (exit 4 if it cannot be used) or `auto`."
    )
    home: Path | None = run_option(
        None,
        "HeyGem's root folder.",
        metavar="DIR",
        default_text="the one around the current folder",
    )
    python: str | None = run_option(
        None,
        "HeyGem's interpreter.",
        metavar="PROGRAM",
        default_text="`.venv` in the root folder",
    )
    conda_env: str | None = run_option(
        None, "The conda environment with HeyGem's interpreter, by name or folder.", metavar="NAME"
    )
    stall_timeout: float = run_option(
        120.0,
        "Give up a job of a HeyGem engine after so long without progress; loading counts, too.",
        metavar="SECONDS",
        minimum=1,
    )
    recycle_after: int = run_option(25, "Replace HeyGem's worker after so many jobs.", metavar="JOBS", minimum=1)
    allow_cpu: bool = run_option(False, "Go on where HeyGem's ONNX Runtime gets only the CPU, which is slow.")
    url: str = run_option("http://127.0.0.1:8383", "The address of HeyGem's service.", metavar="URL")
    maps: tuple[FolderMap, ...] = run_option(
        (),
        "A folder of this machine and its name in the service's container; may be repeated.",
        metavar="HOST:CONTAINER",
        flags=("--map",),
        parse=parse_map,
    )


@dataclass(frozen=True)
class TrialOptions:
    """How to try a render first."""

    preview: bool = run_option(
        False, "Render the first 5 s at half the size, fast, as `FACE_AUDIO_preview.mp4`.", variable=False
    )
    dry_run: bool = run_option(
        False, "Show what would be made and write nothing.", flags=("-n", "--dry-run"), variable=False
    )


@dataclass(frozen=True)
class BatchOptions:
    """How a batch runs."""

    videos: tuple[str, ...] = run_option(
        (),
        "The video or picture for audio files that are given instead of a manifest; with --pair, several, patterns or "
        "folders.",
        metavar="FACE",
        flags=("--video",),
        variable=False,
    )
    pair: Literal["stem"] | None = run_option(
        None,
        "`stem`: each audio file goes with the video that has the same name but for the extension.",
        default_text="every audio file goes with the one video",
        variable=False,
    )
    output_dir: Path = run_option(
        Path(),
        "The folder for their outputs and for the journal.",
        metavar="DIR",
        default_text="the current folder",
        variable=False,
    )
    output_template: NameTemplate = run_option(
        NameTemplate("{face}_{audio}.mp4"),
        f"The names of their outputs, with the fields {', '.join(f'`{{{name}}}`' for name in FIELDS)}.",
        metavar="NAME",
        parse=parse_name_template,
        variable=False,
    )
    dry_run: bool = run_option(
        False, "Show what would be done, and why, and write nothing.", flags=("-n", "--dry-run"), variable=False
    )
    watch_folder: Path | None = run_option(
        None,
        "Render the audio files that are in this folder or arrive there, until Ctrl-C.",
        metavar="DIR",
        variable=False,
    )
    write_manifest: Path | None = run_option(
        None,
        "Render nothing, and write the rows as a manifest: `.jsonl`, `.json`, `.tsv`, or else CSV.",
        metavar="FILE",
        variable=False,
    )
    skip_bad: bool = run_option(
        False, "Render the good rows of a list with bad ones, which are reported as failed.", variable=False
    )
    force: bool = run_option(False, "Render every row, done or not.", variable=False)
    retry_failed: bool = run_option(False, "Also render rows that failed in an earlier run.", variable=False)
    only: tuple[str, ...] = run_option((), "Render only this row; may be repeated.", metavar="ID", variable=False)
    retries: int = run_option(
        1, "How often a job is tried again, after all others, if its error may be temporary.", metavar="N", minimum=0
    )
    fail_fast: bool = run_option(False, "Stop after the first failed job.")
    max_failures: int | None = run_option(None, "Stop after N failed jobs.", metavar="N", minimum=1)
    timeout: float | None = run_option(
        None,
        "Time limit of each job.",
        metavar="SECONDS",
        minimum=1,
        default_text="300 s plus ten times the length of its audio, with HeyGem sixty times",
    )
    isolate: bool = run_option(False, "Render in a child process, so that the batch survives if it crashes.")
    shard: str | None = run_option(
        None,
        "`I/N` renders shard I of N; `auto` takes both from a Slurm array, `auto/N` takes I from Slurm or Kubernetes.",
        metavar="I/N|auto|auto/N",
    )
    report: Path | None = run_option(None, "Write the report as JSON.", metavar="FILE", variable=False)
    junit: Path | None = run_option(None, "Write the report as JUnit XML.", metavar="FILE", variable=False)
    failed_manifest: Path | None = run_option(
        None, "Write the failed rows as a manifest: `.jsonl`, `.json`, or else CSV.", metavar="FILE", variable=False
    )
    merge_reports: bool = run_option(
        False, "Merge the reports of shards, given instead of a manifest, and render nothing.", variable=False
    )


@dataclass(frozen=True)
class FacesOptions:
    """What ``heygem faces`` writes."""

    sheet: Path | None = run_option(
        None,
        "Write a picture with the numbered faces: `.png`, `.jpg` or `.webp`.",
        metavar="FILE",
        variable=False,
    )


@dataclass(frozen=True)
class DisplayOptions:
    """What a command prints."""

    as_json: bool = run_option(False, "Print the result as one JSON object.", flags=("--json",), variable=False)
    quiet: bool = run_option(False, "Print errors only.", flags=("-q", "--quiet"))
    debug: bool = run_option(False, "Show tracebacks and what native libraries print.")


ROW_OPTIONS: Mapping[str, Declared] = {each.name: each for each in declared(RenderOptions) if each.facts.scope == "row"}
"""The options that a row of a manifest may override, by the name of their column."""


def output_values(options: RenderOptions, names: frozenset[str]) -> dict[str, str]:
    """Return the values, as text, on which an output depends, of those options that an engine uses."""
    return {
        each.name: str(value_of(options, each))
        for each in declared(RenderOptions)
        if each.facts.changes_output and each.name in names
    }
