"""Tests of the declaration of options: everything else follows from the fields."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import heygem_cli
from heygem_cli.batch.columns import COLUMNS
from heygem_cli.cli.main import COMMANDS, app
from heygem_cli.cli.parameters import options_of
from heygem_cli.cluster_options import ClusterOptions
from heygem_cli.engines import ENGINES, OF_ANY_ENGINE
from heygem_cli.errors import InputError
from heygem_cli.option_fields import declared, value_of, with_values
from heygem_cli.options import (
    ROW_OPTIONS,
    BatchOptions,
    DisplayOptions,
    EncodeOptions,
    EngineOptions,
    RenderOptions,
    TrialOptions,
)

PACKAGE = Path(heygem_cli.__file__).parent
ADDED = '    sharpness: float = option(0.5, "How sharp it looks.", minimum=0, maximum=2)\n'
PROGRAM = """
import json
from heygem_cli.api import OF_JOB
from heygem_cli.batch.columns import COLUMNS
from heygem_cli.batch.manifest import parse_manifest
from heygem_cli.batch.plan import content_key
from heygem_cli.batch.rows import make_rows
from heygem_cli.errors import InputError
from heygem_cli.engines import check_options
from heygem_cli.options import RenderOptions

raw, _ = parse_manifest(b"audio,face,id,sharpness\\na.wav,f.mp4,x,1.5\\na.wav,f.mp4,y,\\na.wav,f.mp4,z,3\\n")
from pathlib import Path
rows, problems = make_rows(raw, Path(), RenderOptions())
keys = [content_key(("a", "f"), row.job.options, "m") for row in rows]
theirs = RenderOptions(engine="heygem-http", encode=rows[0].job.options.encode)
try:
    check_options(theirs)
    refused = ""
except InputError as error:
    refused = error.message
print(json.dumps({
    "column": "sharpness" in COLUMNS,
    "api": OF_JOB["sharpness"].checked("0.25"),
    "values": [row.job.options.encode.sharpness for row in rows],
    "problems": [problem.message for problem in problems],
    "keys_differ": keys[0] != keys[1],
    "refused": refused,
}))
"""


@pytest.fixture(scope="module")
def with_added_field(tmp_path_factory):
    """Return a copy of the package in which one field was added to the options."""
    root = tmp_path_factory.mktemp("package")
    shutil.copytree(PACKAGE, root / "heygem_cli", ignore=shutil.ignore_patterns("__pycache__"))
    options = root / "heygem_cli" / "options.py"
    text = options.read_text(encoding="utf-8")
    heading = f'class EncodeOptions:\n    """{EncodeOptions.__doc__}"""\n\n'
    assert heading in text
    options.write_text(text.replace(heading, heading + ADDED), encoding="utf-8")
    return root


def run_in(root, *args, **environment):
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "COLUMNS": "200", **environment}
    return subprocess.run(
        [sys.executable, *args], cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_an_added_field_appears_everywhere(with_added_field):
    done = run_in(with_added_field, "-c", PROGRAM)
    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "column": True,
        "api": 0.25,
        "values": [1.5, 0.5, 0.5],
        "problems": ["'3' is not a number from 0 to 2"],
        "keys_differ": True,
        "refused": "--sharpness 1.5: the engine heygem-http cannot use it",
    }


@pytest.mark.parametrize("command", ["render", "batch"])
def test_an_added_field_is_a_parameter_of_both_commands(with_added_field, command):
    text = " ".join(run_in(with_added_field, "-m", "heygem_cli", command, "--help").stdout.split())
    assert "How sharp it looks. [env var: HEYGEM_SHARPNESS; default: 0.5; 0<=x<=2]" in text


@pytest.mark.parametrize("given", [["--sharpness", "3"], []])
def test_an_added_field_is_checked_and_read_from_the_environment(with_added_field, given):
    environment = {} if given else {"HEYGEM_SHARPNESS": "3"}
    done = run_in(with_added_field, "-m", "heygem_cli", "render", "a.wav", "f.mp4", *given, **environment)
    assert done.returncode == 2
    assert "error: invalid value for '--sharpness' (env var: 'HEYGEM_SHARPNESS')" in done.stderr
    assert "3.0 is not in the range 0<=x<=2. Run: heygem render --help" in done.stderr


def parameters(command):
    return {parameter.name: parameter for parameter in get_command(app).commands[command].params}


@pytest.mark.parametrize("command", ["render", "batch"])
def test_commands_have_exactly_the_declared_options(command):
    own_groups = [BatchOptions, ClusterOptions] if command == "batch" else [TrialOptions]
    groups = [RenderOptions, EngineOptions, DisplayOptions, *own_groups]
    names = {each.name for group in groups for each in declared(group)}
    own = {"audio", "face", "output"} if command == "render" else {"inputs"}
    visible = {name for name, parameter in parameters(command).items() if not getattr(parameter, "hidden", False)}
    assert visible == names | own


def test_flags_and_variables_are_unique():
    groups = (RenderOptions, EngineOptions, BatchOptions, ClusterOptions, DisplayOptions)
    every = [each for group in groups for each in declared(group)]
    flags = [flag for each in every for flag in each.flags]
    variables = [each.variable for each in every if each.variable]
    assert len(flags) == len(set(flags))
    assert len(variables) == len(set(variables))


def test_quality_sets_what_is_not_given():
    assert EncodeOptions().crf_and_preset == (18, "veryfast")
    assert EncodeOptions(quality="draft").crf_and_preset == (28, "ultrafast")
    assert EncodeOptions(quality="best", crf=0).crf_and_preset == (0, "slow")
    assert EncodeOptions(quality="draft", preset="medium").crf_and_preset == (28, "medium")


def test_columns_are_the_options_of_a_row():
    assert set(COLUMNS) == {"audio", "face", "id", "output", *ROW_OPTIONS}
    assert {"device", "threads", "home"}.isdisjoint(COLUMNS)


def test_every_option_of_an_engine_is_used_by_one():
    used = OF_ANY_ENGINE.union(*(entry.uses for entry in ENGINES.values()))
    names = {each.name for group in (RenderOptions, EngineOptions) for each in declared(group)}
    assert names == used


def test_values_of_nested_groups_are_replaced():
    options = with_values(RenderOptions(), {"crf": 30, "loop": "hold"})
    assert options == RenderOptions(loop="hold", encode=EncodeOptions(crf=30))
    assert [value_of(options, ROW_OPTIONS[name]) for name in ("crf", "loop", "preset")] == [30, "hold", None]


FLOATS = [
    (name, option)
    for name, options in ((name, options_of(function)) for name, function in COMMANDS.items())
    for option in options.values()
    if option.type is float
]


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_what_is_no_finite_number_is_refused_everywhere(number):
    assert len(FLOATS) > 10
    for name, option in FLOATS:
        if option.facts.parse is None:
            arguments = [name, f"{option.flags[-1]}={number}", *(["a.wav", "f.mp4"] if name == "render" else [])]
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 2, arguments
            assert number.lstrip("-") in result.stderr, arguments
        with pytest.raises(InputError):
            option.checked(float(number))
