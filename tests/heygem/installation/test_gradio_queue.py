"""Finding and editing the queue in app.py, without running it."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation import gradio_queue
from heygem_cli.heygem.installation.gradio_queue import RECOMMENDED, gradio_version, recommended, written
from heygem_tree import APP

FILE = Path("app.py")
ARGUMENTS = written(RECOMMENDED)


def edit_queue(source: bytes, path: Path, version: str | None = "4.44.1") -> bytes:
    return gradio_queue.edit_queue(source, path, version)


def queue_of(source: bytes) -> dict[str, object]:
    """Return the arguments of the only queue call, parsed independently."""
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "queue"
    ]
    assert len(calls) == 1
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in calls[0].keywords}


def test_correct_call_is_unchanged():
    assert not gradio_queue.find_queue(APP.encode(), FILE, "4.44.1").wrong
    assert edit_queue(APP.encode(), FILE) == APP.encode()


@pytest.mark.parametrize(
    ("call", "edited"),
    [
        ("demo.queue()", f"demo.queue({ARGUMENTS})"),
        (
            "demo.queue(max_size=5)",
            "demo.queue(default_concurrency_limit=1, api_open=False, max_size=10)",
        ),
        (
            "demo.queue(max_size=SIZE, default_concurrency_limit=1, api_open=False)",
            "demo.queue(max_size=10, default_concurrency_limit=1, api_open=False)",
        ),
        ("demo.queue(max_size=10, default_concurrency_limit=True, api_open=0)", f"demo.queue({ARGUMENTS})"),
        ("demo.queue().launch()", f"demo.queue({ARGUMENTS}).launch()"),
        ("demo.launch(share=True)", f"demo.queue({ARGUMENTS}).launch(share=True)"),
        ("(gr.Blocks()\n .launch())", f"(gr.Blocks().queue({ARGUMENTS})\n .launch())"),
        (
            'print("数"); demo.queue(  # 队列\r\n    max_size=5,\r\n)',
            'print("数"); demo.queue(  # 队列\r\n    default_concurrency_limit=1, api_open=False, max_size=10,\r\n)',
        ),
    ],
)
def test_edit(call, edited):
    assert edit_queue(call.encode(), FILE).decode() == edited
    assert edit_queue(edited.encode(), FILE).decode() == edited


def test_edit_with_byte_order_mark():
    assert edit_queue(b"\xef\xbb\xbfdemo.queue(max_size=5)", FILE).startswith(b"\xef\xbb\xbfdemo.queue(default_")


@given(
    st.dictionaries(
        st.sampled_from([*RECOMMENDED, "status_update_rate"]), st.sampled_from(["None", "3", "'数'", "[1, 2]"])
    ),
    st.sampled_from(["", "#数字人\n", "x = '''\r\n'''; "]),
    st.sampled_from(["", "\n\r\n", ".launch()"]),
)
def test_any_call_is_corrected_and_keeps_its_other_arguments(arguments, before, after):
    written = ", ".join(f"{name}={value}" for name, value in arguments.items())
    source = f"{before}demo.queue({written}){after}".encode()
    edited = edit_queue(source, FILE)
    others = {name: ast.literal_eval(value) for name, value in arguments.items() if name not in RECOMMENDED}
    assert queue_of(edited) == {**others, **RECOMMENDED}
    assert edited.startswith(before.encode())
    assert edited.endswith(after.encode())


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (b"demo.queue(", "not-python"),
        ("# 数\ndemo.queue()".encode("gbk"), "not-python"),
        (b"\0", "not-python"),
        (b"print(1)", "no-queue"),
        (b"a.queue()\nb.queue()", "several-queues"),
        (b"demo.queue(**options)", "unclear-queue"),
        (b"demo.queue('auto')", "unclear-queue"),
    ],
)
def test_impossible_edit_is_refused(source, code):
    with pytest.raises(InputError, match=r"app\.py") as caught:
        edit_queue(source, FILE)
    assert caught.value.code == code


@pytest.mark.parametrize("version", ["3.50.2", None])
def test_argument_that_gradio_3_lacks_is_not_added(version):
    assert "default_concurrency_limit" not in recommended(version)
    assert edit_queue(b"demo.queue()", FILE, version) == b"demo.queue(max_size=10, api_open=False)"


def test_limit_that_is_set_is_corrected_whatever_the_version():
    edited = edit_queue(b"demo.queue(default_concurrency_limit=4)", FILE, None)
    assert edited == b"demo.queue(max_size=10, api_open=False, default_concurrency_limit=1)"


def test_version_comes_from_the_interpreter_then_from_the_requirements(tmp_path):
    python = tmp_path / "env/bin/python"
    assert gradio_version(tmp_path, str(python)) is None
    (tmp_path / "requirements_0.txt").write_text("gradio_client==1.3.0\ngradio==4.44.1\n")
    assert gradio_version(tmp_path, str(python)) == "4.44.1"
    packages = tmp_path / "env/lib/python3.8/site-packages"
    for name in ("gradio_client-0.6.1.dist-info", "gradio-3.50.2.dist-info"):
        (packages / name).mkdir(parents=True)
    assert gradio_version(tmp_path, str(python)) == "3.50.2"
    assert gradio_version(tmp_path, "python") == "4.44.1"
