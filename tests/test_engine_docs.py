"""The page names every engine and option, in both languages."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from heygem_cli.cli.main import app
from heygem_cli.engines import ENGINES

ROOT = Path(__file__).parents[1]
PAGES = ["docs/engines.md", "docs/engines.zh-CN.md"]


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_engine_is_named(page):
    assert {name for name in ENGINES if f"| `{name}`" not in read(page)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_option_is_named(page):
    options = {name for each in get_command(app).commands["engines"].params for name in each.opts}
    options |= {"--stall-timeout", "--recycle-after", "--allow-cpu"}
    assert {name for name in options - {"--help", "-h"} if f"{name}" not in read(page)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_errors_are_linked(page):
    assert f"]({page.removeprefix('docs/').replace('engines', 'errors')})" in read(page)


def test_both_pages_have_the_same_commands_and_codes():
    def facts(page):
        blocks = re.findall(r"```\w*\n(.*?)```", read(page), re.DOTALL)
        commands = [line.split("#")[0].rstrip() for line in "".join(blocks).splitlines()]
        rows = [line for line in read(page).splitlines() if line.startswith("|")]
        return commands, [sorted(re.findall(r"`([^`]+)`", row)) for row in rows]

    (one, codes), (other, theirs) = (facts(page) for page in PAGES)
    assert one == other
    assert codes == theirs
