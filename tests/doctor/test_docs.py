"""docs/doctor.md lists every check and every option, in both languages."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from heygem_cli.cli.main import app
from heygem_cli.doctor.registry import CHECKS, GROUPS

PAGES = ["docs/doctor.md", "docs/doctor.zh-CN.md"]
ROOT = Path(__file__).parents[2]
ID = re.compile(rf"`((?:{'|'.join(GROUPS)})\.[\w-]+)`")


@pytest.mark.parametrize("page", PAGES)
def test_table_lists_the_checks_in_order(page):
    table = re.search(r"\n\| id \|.*?\n\n", read(page), re.DOTALL)
    ids = [id for row in table[0].strip().splitlines() for id in ID.findall(row.split("|")[1])]
    assert ids == [check.id for check in CHECKS]


@pytest.mark.parametrize("page", PAGES)
def test_page_names_no_unknown_check(page):
    assert set(ID.findall(read(page))) == {check.id for check in CHECKS}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("command", ["doctor", "fix-config"])
def test_page_names_every_option(page, command):
    options = {name for each in get_command(app).commands[command].params for name in each.opts} - {"--help", "-h"}
    assert {name for name in options if f"`{name}" not in read(page)} == set()


def test_both_pages_have_the_same_commands():
    english, chinese = ([line.split("#")[0].rstrip() for line in blocks(page)] for page in PAGES)
    assert english == chinese


def blocks(page: str) -> list[str]:
    return "".join(re.findall(r"```\w*\n(.*?)```", read(page), re.DOTALL)).splitlines()


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")
