"""The generated tables of README and docs/ are current and complete, in both languages."""

import re

import pytest
from tools.docs_tables import BLOCK, ERRORS, ERRORS_ZH, ROOT, copied_errors, pages, update
from tools.markdown import Table, Words, parse_table, translate
from tools.option_table import option_table, visible_options

CHINESE = ".zh-CN.md"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_tables_are_current_and_translated(page):
    text = page.read_text(encoding="utf-8")
    updated, untranslated = update(text, chinese=page.name.endswith(CHINESE))
    assert untranslated == []
    assert updated == text, "run python -m tools.docs_tables"


@pytest.mark.parametrize("chinese", [False, True])
@pytest.mark.parametrize("command", ["render", "faces", "batch", "doctor", "fix-config"])
def test_every_visible_option_is_in_a_table(command, chinese):
    texts = [page.read_text(encoding="utf-8") for page in pages() if page.name.endswith(CHINESE) is chinese]
    rows = [row for text in texts for block in BLOCK.finditer(text) for row in parse_table(block["table"]).rows]
    listed = {flag for row in rows for flag in re.findall(r"`(--[\w-]+)", row[0])}
    assert set(visible_options(command)) - listed == set()
    assert "--face" not in listed


def test_both_languages_have_the_same_tables():
    for page in pages():
        if not page.name.endswith(CHINESE):
            sibling = page.with_name(page.name.replace(".md", CHINESE))
            blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
            others = BLOCK.findall(sibling.read_text(encoding="utf-8")) if sibling.exists() else []
            assert [block[:2] for block in blocks] == [block[:2] for block in others], page


def test_the_page_says_of_errors_what_the_chinese_documentation_says():
    copied = copied_errors(ERRORS.read_text(encoding="utf-8"))
    assert ERRORS_ZH.read_text(encoding="utf-8") == copied, "run python -m tools.docs_tables"


def test_option_table_has_flags_variables_help_and_defaults():
    table = option_table("batch", ["--quiet", "--timeout"], variables=True)
    assert table.to_markdown().splitlines() == [
        "| option | variable | meaning | default |",
        "|---|---|---|---|",
        "| `-q`, `--quiet` | `HEYGEM_QUIET` | Print errors only | |",
        "| `--timeout SECONDS` | `HEYGEM_TIMEOUT` | Time limit of each job "
        "| 300 s plus ten times the length of its audio, with HeyGem sixty times |",
    ]


@pytest.mark.parametrize(("comment", "message"), [("render --face", "--face"), ("sing", "no command 'sing'")])
def test_unknown_name_in_a_comment_is_an_error(comment, message):
    with pytest.raises(ValueError, match=message):
        update(f"<!-- options: {comment} -->\n<!-- end -->\n", chinese=False)


def test_chinese_page_keeps_its_words_and_names_what_it_lacks():
    table = Table(
        ("option", "meaning", "default"), [("`-a`, `--all N`", Words("All"), "2"), ("`--new`", Words("New"), "")]
    )
    page = parse_table("| 选项 | 含义 | 默认值 |\n|---|---|---|\n| `--all` | 全部 | 1 |\n| `--old` | 旧 | |\n")
    translated, missing = translate(table, page)
    assert translated.rows == [["`-a`, `--all N`", "全部", "2"], ["`--new`", "", ""]]
    assert missing == ["--new"]


@pytest.mark.parametrize(
    ("english", "chinese", "lost"),
    [
        ("18, draft 28", "18", ["28"]),
        ("`fast`, draft `slow`", "`fast`", ["slow"]),
        ("Use --api, or --api easy", "使用 API", ["--api"]),
        ("`<name>`: from 0 to 1.5, 720×720", "从 0 到 1.5，720×720", []),
        ("``<command>`` failed: ``a b``", "命令失败：a b", []),
    ],
)
def test_chinese_words_have_the_code_flags_and_numbers_of_the_english_ones(english, chinese, lost):
    table = Table(("option", "default"), [("`--new`", Words(english))])
    page = parse_table(f"| 选项 | 默认值 |\n|---|---|\n| `--new` | {chinese} |\n")
    missing = translate(table, page)[1]
    assert missing == ([f"--new ({', '.join(lost)})"] if lost else [])
