"""The page names every check and every option, in both languages."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from heygem_cli.cli.main import app
from heygem_cli.doctor.registry import CHECKS

PAGES = ["docs/doctor.md", "docs/doctor.zh-CN.md"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", PAGES)
def test_every_check_is_named_and_no_other(page):
    named = set(
        re.findall(r"`((?:runtime|gpu|system|environment|installation|service|engine|log)\.[\w-]+)`", read(page))
    )
    assert named == {check.id for check in CHECKS}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("command", ["doctor", "fix-config"])
def test_every_option_is_named(page, command):
    options = {name for each in get_command(app).commands[command].params for name in each.opts} - {"--help", "-h"}
    assert {name for name in options if f"`{name}" not in read(page)} == set()


def test_both_pages_have_the_same_commands():
    english, chinese = ([line.split("#")[0].rstrip() for line in blocks(page)] for page in PAGES)
    assert english == chinese


def blocks(page: str) -> list[str]:
    return "".join(re.findall(r"```\w*\n(.*?)```", read(page), re.DOTALL)).splitlines()


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")
