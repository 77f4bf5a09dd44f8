"""docs/errors.md lists every error code of the sources, with what the sources say about it."""

import re

import pytest
from tools.docs_tables import ROOT
from tools.error_table import COMPUTED, ErrorCode, error_codes
from tools.markdown import parse_table
from tools.source_texts import Module, Sources

from heygem_cli.heygem.failures import KNOWN

CODE = re.compile(r'(?:Error|Failure|_fail|super\(\).__init__)\(\s*"([a-z0-9-]+)"|"(service-[a-z-]+)"')
PAGES = ["docs/errors.md", "docs/errors.zh-CN.md"]


def codes_in_sources():
    """What a plain search finds; the collector reads the syntax instead."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    return {code for text in texts for found in CODE.findall(text) for code in found if code}


@pytest.fixture(scope="module")
def codes():
    return {each.code: each for each in error_codes()}


@pytest.mark.parametrize("page", PAGES)
def test_every_code_of_the_sources_is_in_the_table(page):
    found = codes_in_sources()
    assert len(found) > 100
    listed = {row[0].strip("`") for row in parse_table((ROOT / page).read_text(encoding="utf-8")).rows}
    assert {*KNOWN, *found} - listed == set()


@pytest.mark.parametrize(
    ("code", "exits"),
    [
        ("no-face", [2]),  # of the mesh engine and of HeyGem
        ("output-exists", [1, 2]),  # before and while it renders
        ("cuda-unavailable", [4]),
        ("locked", [5]),
        ("stopped", [129, 130, 143]),
        ("timeout", [1]),  # a subclass that gives its code itself
        ("process-died", [1]),  # a failure that is not raised
        ("reading-failed", [1]),  # one of two literals
        ("service-unreachable", [1, 4]),  # of a job, and when the service is checked
        ("service-locked", [1, 4]),  # from a table
    ],
)
def test_exit_statuses_are_those_of_the_classes(codes, code, exits):
    assert codes[code].exits == exits


def test_messages_and_hints_are_merged(codes):
    assert codes["no-encoder"] == ErrorCode(
        "no-encoder",
        [4],
        "the encoder <encoder> does not work on this machine at <width>×<height>",
        "Use --encoder libx264",
    )
    in_tmpdir = "Free some space, or name another folder with TMPDIR"
    assert codes["disk-full"].remedy == f"{in_tmpdir}. Free some space and run again"  # and not twice
    assert codes["ffmpeg-missing"].meaning.startswith("HeyGem needs ffmpeg, which is not on the PATH; HeyGem does not")


def test_code_that_is_not_a_literal_is_an_error(monkeypatch):
    monkeypatch.delitem(COMPUTED, ("heygem_cli.batch.worker", "to_failure"))
    with pytest.raises(
        ValueError, match=r"heygem_cli\.batch\.worker, line \d+: the code of an error has to be a literal"
    ):
        error_codes()


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        (['text = "a"', "use(text)"], ["a"]),
        (['text = "a" if x else "b"', "use(text)"], ["a", "b"]),
        (["if x:", '    text = "a"', "else:", '    text = "b"', "use(text)"], ["a", "b"]),
        (['text = "a"', 'text = "b"', "use(text)"], ["b"]),
        (['a, b = "a", "b"', "use(b)"], ["b"]),
        (
            ['use(f"{len(x)} frames of {x.file_name} at {x / 3:.0%}")'],
            ["<number> frames of <file name> at <percentage>"],
        ),
        (['rest = " at once" if x else ""', 'use(f"it ends{rest}")'], ["it ends"]),
        (["use(x)"], ["from a caller"]),
        (['use("Name {home}".format(home=x))'], ["Name <home>"]),
    ],
)
def test_texts_of_an_expression(tmp_path, monkeypatch, lines, texts):
    body = "\n".join(f"    {line}" for line in lines)
    source = f'def _f(x):\n{body}\n\ndef caller():\n    _f("from a caller")\n'
    path = tmp_path / f"{tmp_path.name}.py"
    path.write_text(f"def use(text): ...\n\n{source}")
    monkeypatch.setattr("tools.source_texts.ROOT", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = Module(path)
    call = next(each for each in module.calls() if getattr(each.func, "id", "") == "use")
    sources = Sources()
    sources.modules = [module]
    assert sources.texts(module, call.args[0]) == texts
