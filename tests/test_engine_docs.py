"""The page names every engine, option and error code, in both languages."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from heygem_cli.cli.main import app
from heygem_cli.engines import ENGINES
from heygem_cli.heygem import local, service
from heygem_cli.heygem.failures import KNOWN

ROOT = Path(__file__).parents[1]
PAGES = ["docs/engines.md", "docs/engines.zh-CN.md"]
CODE = re.compile(r'(?:Error|_fail)\(\s*"([a-z-]+)"|"(service-[a-z-]+)"')


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def raised():
    """The codes that the engines' sources name."""
    folders = [Path(next(iter(each.__path__))) for each in (local, service)]
    texts = [path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("*.py")]
    return {code for text in texts for found in CODE.findall(text) for code in found if code}


@pytest.mark.parametrize("page", PAGES)
def test_every_engine_and_every_error_is_named(page):
    assert {"service-busy", "service-locked", "service-unexpected", "bad-map", "in-use"} < raised()
    named = set(re.findall(r"`([a-z-]+)`", read(page)))
    assert {*ENGINES, *KNOWN, *raised()} - named == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_option_is_named(page):
    options = {name for each in get_command(app).commands["engines"].params for name in each.opts}
    options |= {"--stall-timeout", "--recycle-after", "--allow-cpu"}
    assert {name for name in options - {"--help", "-h"} if f"{name}" not in read(page)} == set()


def test_both_pages_have_the_same_commands_and_codes():
    def facts(page):
        blocks = re.findall(r"```\w*\n(.*?)```", read(page), re.DOTALL)
        commands = [line.split("#")[0].rstrip() for line in "".join(blocks).splitlines()]
        rows = [line for line in read(page).splitlines() if line.startswith("|")]
        return commands, [sorted(re.findall(r"`([^`]+)`", row)) for row in rows]

    (one, codes), (other, theirs) = (facts(page) for page in PAGES)
    assert one == other
    assert codes == theirs
