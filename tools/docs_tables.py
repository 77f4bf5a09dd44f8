"""Write the tables of options and of error codes in README and docs/ from their declarations.

::

    python -m tools.docs_tables            # rewrite the tables
    python -m tools.docs_tables --check    # exit 1 if a table is not up to date, or lacks a translation

A table stands between two comments::

    <!-- options: render --loop --crf -->             some options of a command; all if it names none
    <!-- options and variables: batch --timeout -->   likewise, with their environment variables
    <!-- errors -->                                   all error codes
    <!-- end -->

In a Chinese page (``*.zh-CN.md``) flags, variables, default values, codes and exit statuses are generated, too. Words
are kept as they are; those of a new row have to be written by hand. The Chinese words on errors are copied into the
package, for the page of ``heygem serve``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from heygem_cli.serve.texts import ERRORS_ZH
from tools.error_table import error_table
from tools.markdown import Table, parse_table, translate
from tools.option_table import option_table

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"<!-- (?P<content>options|options and variables|errors)(?:: (?P<names>.*?))? -->\n(?P<table>.*?)<!-- end -->",
    re.DOTALL,
)


ERRORS = ROOT / "docs" / "errors.zh-CN.md"


def pages() -> list[Path]:
    """Return the pages that may have tables."""
    return sorted([*ROOT.glob("README*.md"), *ROOT.glob("docs/*.md")])


def update(text: str, *, chinese: bool) -> tuple[str, list[str]]:
    """Return a page with its tables as they should be, and what has to be translated there.

    Raises:
        ValueError: A comment names a command or an option that does not exist, or the sources cannot be read.
    """
    untranslated: list[str] = []

    def replace(block: re.Match[str]) -> str:
        table = _make(block["content"], (block["names"] or "").split())
        if chinese:
            table, missing = translate(table, parse_table(block["table"]))
            untranslated.extend(missing)
        start = block[0].partition("\n")[0]
        return f"{start}\n\n{table.to_markdown()}\n<!-- end -->"

    return BLOCK.sub(replace, text), untranslated


def _make(content: str, names: list[str]) -> Table:
    if content == "errors":
        return error_table()
    command, *flags = names
    return option_table(command, flags, variables=content == "options and variables")


def copied_errors(text: str) -> str:
    """Return the meaning and the remedy of each error code in the table of a page, as JSON."""
    rows = parse_table(text).rows
    copied = ((code.strip("`"), [words.replace("\\|", "|") for words in cells]) for code, _, *cells in rows)
    lines = (f'  "{code}": {json.dumps(words, ensure_ascii=False)}' for code, words in copied)
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs_tables", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a table is not up to date")
    check = parser.parse_args().check
    problems = []
    for page in pages():
        updated, untranslated = update(page.read_text(encoding="utf-8"), chinese=page.name.endswith(".zh-CN.md"))
        if untranslated:
            name, codes = page.relative_to(ROOT), ", ".join(untranslated)
            problems.append(f"{name}: there is no Chinese text for {codes}: write it, and run this again")
        problems += _write(page, updated, check=check)
    problems += _write(ERRORS_ZH, copied_errors(ERRORS.read_text(encoding="utf-8")), check=check)
    sys.exit("\n".join(problems) or 0)


def _write(path: Path, updated: str, *, check: bool) -> list[str]:
    """Write a file that is not up to date, or else return this as a problem."""
    if path.exists() and path.read_text(encoding="utf-8") == updated:
        return []
    if check:
        return [f"{path.relative_to(ROOT)} is not up to date: run python -m tools.docs_tables"]
    path.write_text(updated, encoding="utf-8")
    return []


if __name__ == "__main__":
    main()
