"""Checks of intact and broken installations."""

import os
import shutil
import subprocess
import sys

import pytest

from heygem_cli.doctor import installation_checks as checks
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.heygem.installation.model_files import damage
from heygem_cli.heygem.installation.tree import APP, CONFIG_INI, MODEL_FILES, OPT_TXT
from heygem_tree import APP as APP_TEXT
from heygem_tree import CONFIG, DANGEROUS, QUEUE, make_installation, onnx_file, opt_text

NO_RESULT = ProbeResult(failure="not probed")
WITHOUT_PROBES = (
    checks.home, checks.opt_txt, checks.temp_dir, checks.config_keys, checks.models, checks.queue,
)  # fmt: skip


@pytest.fixture
def home(tmp_path):
    return make_installation(tmp_path / "Hey Gem")


def test_intact_installation_is_ok(home):
    assert {check(Inputs(home=home)).status for check in WITHOUT_PROBES} == {"ok"}


def test_everything_is_skipped_without_an_installation():
    assert {check(Inputs()).status for check in WITHOUT_PROBES} == {"skip"}
    assert checks.python(Inputs(), NO_RESULT).status == "skip"


def test_home_must_be_an_installation(tmp_path):
    assert checks.home(Inputs(home=tmp_path)).status == "fail"
    assert {check(Inputs(home=tmp_path)).status for check in WITHOUT_PROBES if check is not checks.home} == {"skip"}


@pytest.mark.parametrize(
    ("content", "status", "found"),
    [
        (opt_text(threads="4"), "warn", "num_threads: 4"),
        (opt_text(threads="four"), "warn", "num_threads: four"),
        (opt_text() + "num_threads: 4\n", "warn", "num_threads: 0, 4"),
        ("", "warn", "num_threads: not set"),
        (opt_text(newline="\r\n"), "ok", "num_threads: 0"),
        ("\0\0", "fail", "a binary file"),
        (None, "warn", "no opt.txt"),
    ],
)
def test_opt_txt(home, content, status, found):
    (home / OPT_TXT).unlink()
    if content is not None:
        (home / OPT_TXT).write_bytes(content.encode())
    finding = checks.opt_txt(Inputs(home=home))
    assert finding.status == status
    assert found in finding.found
    # The option that works is always mentioned.
    assert "--num_threads 0" in finding.found + finding.fix or status == "fail"


def test_opt_txt_in_utf_16(home):
    (home / OPT_TXT).write_bytes(opt_text(threads="4").encode("utf-16"))
    assert checks.opt_txt(Inputs(home=home)).found == "num_threads: 4"


def test_opt_txt_must_be_writable(home):
    (home / OPT_TXT).chmod(0o444)
    finding = checks.opt_txt(Inputs(home=home))
    assert finding.status == "fail"
    assert "cannot start" in finding.why


def test_opt_txt_is_a_folder(home):
    (home / OPT_TXT).unlink()
    (home / OPT_TXT).mkdir()
    assert "a folder, not a file" in checks.opt_txt(Inputs(home=home)).found


@pytest.mark.parametrize(("arguments", "status"), [([], "warn"), (["--num_threads", "0"], "ok")])
def test_opt_txt_with_the_command_line_of_the_running_heygem(home, arguments, status):
    (home / "run.py").write_text("print(flush=True); import time; time.sleep(60)")
    with subprocess.Popen([sys.executable, "run.py", *arguments], cwd=home, stdout=subprocess.PIPE) as running:
        try:
            running.stdout.readline()
            assert checks.opt_txt(Inputs(home=home)).status == status
        finally:
            running.kill()


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (DANGEROUS, "fail"),
        (DANGEROUS.replace("clean_switch = 1", "clean_switch = 0"), "warn"),
        (CONFIG.replace("temp_dir = ./temp\n", ""), "warn"),
        (CONFIG.replace("clean_switch = 0", "clean_switch = 1"), "ok"),
        ("not ini", "fail"),
    ],
)
def test_temp_dir(home, content, status):
    (home / CONFIG_INI).write_text(content)
    finding = checks.temp_dir(Inputs(home=home))
    assert finding.status == status
    if content == DANGEROUS:
        assert f"including {home}" in finding.why
        assert finding.fix == f"heygem fix-config --home '{home}'"


@pytest.mark.parametrize(
    ("content", "status", "found"),
    [
        (b"\xef\xbb\xbf" + CONFIG.encode(), "fail", "byte-order mark"),
        (CONFIG.replace("batch_size", "batchsize").encode(), "warn", "unknown key batchsize in [digital]"),
        (CONFIG.replace("batch_size = 4", "").encode(), "ok", "defaults for [digital] batch_size"),
        (CONFIG.encode("utf-16"), "fail", "not UTF-8"),
        (CONFIG.encode() + b"\n[register]\nenable = 0\n", "ok", "none missing"),
    ],
)
def test_config_keys(home, content, status, found):
    (home / CONFIG_INI).write_bytes(content)
    finding = checks.config_keys(Inputs(home=home))
    assert finding.status == status
    assert found in finding.found


def test_config_is_missing(home):
    (home / CONFIG_INI).unlink()
    assert checks.config_keys(Inputs(home=home)).found.endswith("there is no such file")


@pytest.mark.parametrize("name", MODEL_FILES, ids=lambda name: name.name)
@pytest.mark.parametrize(
    ("content", "what"),
    [(None, "missing"), (b"", "is empty"), (b"<html>404</html>", "is a web page, not a model"),
     (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer, not the file itself")],
)  # fmt: skip
def test_models_are_missing_or_other_files(home, name, content, what):
    (home / name).unlink()
    if content is not None:
        (home / name).write_bytes(content)
    finding = checks.models(Inputs(home=home))
    assert (finding.status, finding.found) == ("fail", f"{name} {what}")
    assert finding.fix.endswith(
        f"&& rm -f {name} && bash download.sh" if content is not None else "&& bash download.sh"
    )
    assert ("rm -f" in finding.fix) == (content is not None)


@pytest.mark.parametrize("name", MODEL_FILES, ids=lambda name: name.name)
def test_models_truncated_anywhere(home, name):
    content = (home / name).read_bytes()
    assert damage(home / name) == ""
    for length in range(1, len(content)):
        (home / name).write_bytes(content[:length])
        assert damage(home / name) == "is truncated", length


def test_large_models_are_not_read(tmp_path):
    path = tmp_path / "large.onnx"
    size = 3 << 30
    with path.open("wb") as file:
        file.write(b"\x08\x08\x3a\x80\x80\x80\x80\x0c")
        file.truncate(8 + size)
    assert damage(path) == ""
    os.truncate(path, size)
    assert damage(path) == "is truncated"


def test_real_onnx_file_is_complete(tmp_path):
    path = tmp_path / "real.onnx"
    from heygem_cli.doctor.scripts.probe_onnx import MODEL

    path.write_bytes(MODEL)
    assert damage(path) == ""
    path.write_bytes(MODEL[:-1])
    assert damage(path) == "is truncated"


def test_old_torch_format_is_accepted(tmp_path):
    path = tmp_path / "old.pth"
    path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF" + bytes(200))
    assert damage(path) == ""


def test_source_variant_is_different_but_not_incomplete(home):
    for name in (
        "config",
        "landmark2face_wy",
        "face_attr_detect",
        "face_detect_utils",
        "pretrain_models",
        "xseg",
        "wenet",
    ):
        shutil.rmtree(home / name)
    for path in home.rglob("*.so"):
        path.rename(path.with_name(path.name.partition(".")[0] + ".py"))
    inputs = Inputs(home=home)
    assert checks.python(inputs, NO_RESULT).status == "skip"  # what service/ imports is somewhere else
    for check in (checks.opt_txt, checks.temp_dir, checks.config_keys, checks.models):
        assert (check(inputs).status, check(inputs).found) == ("skip", checks.ELSEWHERE)


def test_configuration_of_a_source_variant_may_have_sections_of_its_own(home):
    text = "[service]\nport = 8383\n[paths]\ndata_root = ./data\nlog_dir = %(data_root)s/logs/\n"
    (home / "config/config.ini").write_text(text)
    inputs = Inputs(home=home)
    for check in (checks.temp_dir, checks.config_keys):
        assert check(inputs).status == "warn"  # the compiled modules ignore it
    for path in (home / "service").glob("*.so"):
        path.rename(path.with_name(path.name.partition(".")[0] + ".py"))
    for check in (checks.temp_dir, checks.config_keys):
        assert (check(inputs).status, check(inputs).found) == ("skip", checks.OTHER_VARIANT)
    (home / "config/config.ini").write_text(f"{text}[temp]\ntemp_dir = ./\n")
    assert "unknown section [service]" in checks.config_keys(inputs).found


def test_tree_of_python_source_with_all_modules_needs_no_certain_interpreter(home):
    for path in home.rglob("*.so"):
        path.rename(path.with_name(path.name.partition(".")[0] + ".py"))
    assert checks.python(Inputs(home=home), NO_RESULT).status == "ok"


def test_advice_for_missing_files_works_in_the_tree(home):
    """fix-config does not restore a missing file, and not every tree has download.sh."""
    (home / CONFIG_INI).unlink()
    assert "git checkout -- config/config.ini" in checks.config_keys(Inputs(home=home)).fix
    (home / MODEL_FILES[0]).unlink()
    (home / "download.sh").unlink()
    assert "download.sh" not in checks.models(Inputs(home=home)).fix


def test_no_compiled_modules(home):
    for path in home.rglob("*.so"):
        path.unlink()
    assert checks.python(Inputs(home=home), NO_RESULT).status == "fail"


@pytest.mark.parametrize(
    ("call", "status", "found"),
    [
        (QUEUE, "ok", "max_size=10"),
        ("demo.queue(max_size=20)", "warn", "max_size is 20 (recommended: 10)"),
        ("pass", "warn", "line 8 starts without a queue"),
        ("demo.queue(**options)", "warn", "arguments without names"),
        ("demo.queue(", "fail", "not a Python source"),
        ("raise SystemExit('never run')", "warn", "starts without a queue"),
    ],
)
def test_queue(home, call, status, found):
    (home / APP).write_text(APP_TEXT.replace(QUEUE, call))
    finding = checks.queue(Inputs(home=home))
    assert finding.status == status
    assert found in finding.found


def test_fake_onnx_file_has_the_expected_size():
    assert len(onnx_file()) == 68


@pytest.mark.parametrize(
    ("old", "new", "temp", "keys"),
    [
        ("temp_dir = ./temp", "temp_dir = ./temp  ; for jobs", "temp_dir = ./temp  ; for jobs", ""),
        ("temp_dir = ./temp", "temp_dir = ~/temp", "temp_dir = ~/temp", ""),
        ("temp_dir = ./temp", "temp_dir = /data/临时-1/t_2", "", ""),
        ("result_dir = ./result", "result_dir = /data/my results", "result_dir = /data/my results", ""),
        ("batch_size = 4", "batch_size = 4 # frames", "", "[digital] batch_size = 4 # frames is no number"),
    ],
)
def test_values_that_the_shell_or_heygem_misreads(home, old, new, temp, keys):
    """HeyGem has no comments behind a value, and writes folders unquoted into commands."""
    (home / "config/config.ini").write_text(CONFIG.replace(old, new))
    for check, found in ((checks.temp_dir, temp), (checks.config_keys, keys)):
        finding = check(Inputs(home=home))
        assert (finding.status, found in finding.found) == ("warn" if found else "ok", True)


def test_temp_dir_that_is_not_set_must_be_written_by_hand(home):
    (home / "config/config.ini").write_text(CONFIG.replace("temp_dir = ./temp\n", ""))
    assert checks.temp_dir(Inputs(home=home)).fix.endswith("   # [temp] temp_dir = ./heygem_temp")


def test_hint_names_the_encoding(home):
    path = home / "config/config.ini"
    for encoding, name in (("utf-16", "UTF-16"), ("gb18030", "GB18030")):
        path.write_bytes(f"; 注释\n{CONFIG}".encode(encoding))
        assert f"iconv -f {name} " in checks.config_keys(Inputs(home=home)).fix
