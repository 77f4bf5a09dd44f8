"""Planning the edits of intact and broken installations."""

import os
import shutil

import pytest

from heygem_cli.heygem.installation.tree import APP, CONFIG_INI, OPT_TXT
from heygem_cli.heygem.repair.plan import Plan, make_plan
from heygem_tree import APP as APP_TEXT
from heygem_tree import COMPOSE, CONFIG, DANGEROUS, QUEUE, make_installation, opt_text


@pytest.fixture
def home(tmp_path):
    return make_installation(tmp_path / "HeyGem")


def plan_of(home, *, app=False, compose_file=None) -> Plan:
    return make_plan(home, app=app, compose_file=compose_file, user_home=home.parent / "user")


def edit_of(plan, path):
    return next(edit for edit in plan.edits if edit.path == path)


def problem_of(plan, path):
    """Return the code of the only problem, which must name its file."""
    (problem,) = plan.problems
    assert problem.message.startswith(f"{path}: ")
    return problem.code


def test_intact_installation_only_needs_the_env_file(home):
    plan = plan_of(home, app=True, compose_file=home / "docker-compose.yml")
    assert [edit.path.name for edit in plan.edits] == ["heygem.env"]
    assert {edit.path.name for edit in plan.right} == {"opt.txt", "config.ini", "app.py", "docker-compose.yml"}
    assert not plan.problems
    assert not plan.by_hand
    assert not plan.running


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "utf-16-le", "gbk"])
def test_opt_txt_in_any_encoding(home, codec, newline):
    def text(threads):
        return (opt_text(threads=threads, newline=newline) + f"路径: 数字人{newline}").encode(codec)

    (home / OPT_TXT).write_bytes(text("4"))
    edit = edit_of(plan_of(home), home / OPT_TXT)
    assert edit.before == text("4")
    # HeyGem does not write the default next to a value that equals it.
    assert edit.after == text("0").replace(
        "\t[default: 4]".encode(codec.replace("16", "16-le") if codec == "utf-16" else codec), b""
    )
    assert edit.what == "num_threads: 4 → 0"
    assert edit.inert
    assert "--num_threads 0" in edit.command


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("num_threads: four\n", "num_threads: four → 0"),
        ("num_threads: \n", "num_threads:  → 0"),
        ("num_threads: 4\nnum_threads: 8\n", "num_threads: 4, 8 → 0"),
        ("num_threads: 0\nnum_threads: 8\n", "num_threads: 0, 8 → 0"),
    ],
)
def test_opt_txt_with_unusual_values(home, line, what):
    (home / OPT_TXT).write_text(line)
    edit = edit_of(plan_of(home), home / OPT_TXT)
    assert edit.what == what
    assert edit.after.decode().split() == ["num_threads:", "0"] * line.count("\n")


@pytest.mark.parametrize("code", ["missing", "is-directory", "not-a-file", "too-large", "binary", "no-num-threads"])
def test_unusable_opt_txt(home, code):
    path = home / OPT_TXT
    path.unlink()
    if code == "is-directory":
        path.mkdir()
    elif code == "not-a-file":
        os.mkfifo(path)
    elif code == "too-large":
        with path.open("wb") as file:
            file.truncate(2 << 30)
    elif code == "binary":
        path.write_bytes(b"\x7fELF\0\0num_threads: 4\n")
    elif code == "no-num-threads":
        path.write_text("----------------- Options ---------------\n")
    plan = plan_of(home)
    assert problem_of(plan, path) == code
    # The other files are not affected.
    assert [edit.path.name for edit in plan.edits] == ["heygem.env"]


@pytest.mark.parametrize("name", [OPT_TXT, CONFIG_INI, APP])
@pytest.mark.parametrize("level", ["file", "folder"])
def test_link_out_of_the_installation_is_refused(home, tmp_path, name, level):
    linked = home / name if level == "file" or name == APP else home / name.parts[0]
    outside = tmp_path / "outside"
    linked.rename(outside)
    linked.symlink_to(outside)
    plan = plan_of(home)
    assert problem_of(plan, home / name) == "link-outside"


def test_link_within_the_installation_is_followed(home):
    real = home / "config" / "real.txt"
    real.write_text(opt_text(threads="4"))
    (home / OPT_TXT).unlink()
    (home / OPT_TXT).symlink_to("../../../config/real.txt")
    assert edit_of(plan_of(home), real).after == opt_text().replace("\t[default: 4]", "").encode()


def test_loop_of_links(home):
    (home / OPT_TXT).unlink()
    (home / OPT_TXT).symlink_to("opt.txt")
    assert problem_of(plan_of(home), home / OPT_TXT) == "unreadable"


def test_dangerous_temp_dir_is_changed_and_the_clean_up_left_alone(home):
    """Without the clean-up the new folder would grow for ever."""
    (home / CONFIG_INI).write_bytes(DANGEROUS.replace("\n", "\r\n").encode())
    edit = edit_of(plan_of(home), home / CONFIG_INI)
    assert edit.after.decode() == DANGEROUS.replace("temp_dir = ./", "temp_dir = ./heygem_temp").replace("\n", "\r\n")
    assert edit.what == "temp_dir: ./ → ./heygem_temp"
    assert edit.folder == home / "heygem_temp"


def test_dangerous_temp_dir_without_clean_switch(home):
    (home / CONFIG_INI).write_text("[temp]\ntemp_dir = ./\n")
    assert edit_of(plan_of(home), home / CONFIG_INI).after == b"[temp]\ntemp_dir = ./heygem_temp\n"


def test_byte_order_mark_is_removed(home):
    (home / CONFIG_INI).write_bytes(b"\xef\xbb\xbf" + CONFIG.encode())
    edit = edit_of(plan_of(home), home / CONFIG_INI)
    assert edit.after == CONFIG.encode()
    assert edit.what == "byte-order mark removed"
    assert edit.folder is None


def test_temp_dir_that_links_to_the_installation(home):
    (home / CONFIG_INI).write_text(DANGEROUS)
    (home / "heygem_temp").symlink_to(".")
    assert problem_of(plan_of(home), home / CONFIG_INI) == "odd-config"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        # A value of two lines that is the installation itself.
        (b"[temp]\ntemp_dir = y\n  /..\nclean_switch = 1\n", "odd-config"),
        ("[temp]\ntemp_dir = 临时\n".encode("gbk"), "not-utf-8"),
        (b"temp_dir\n", "not-ini"),
    ],
)
def test_config_cannot_be_edited(home, data, code):
    (home / CONFIG_INI).write_bytes(data)
    plan = plan_of(home)
    assert problem_of(plan, home / CONFIG_INI) == code


def test_missing_config(home):
    (home / CONFIG_INI).unlink()
    assert problem_of(plan_of(home), home / CONFIG_INI) == "missing"


def test_app_is_only_shown_unless_requested(home):
    (home / APP).write_text(APP_TEXT.replace(QUEUE, "demo.queue()"))
    plan = plan_of(home)
    assert [edit.path for edit in plan.by_hand] == [home / APP]
    assert home / APP not in [edit.path for edit in plan.edits]
    plan = plan_of(home, app=True)
    assert edit_of(plan, home / APP).after == APP_TEXT.encode()
    assert not plan.by_hand


def test_what_app_closes_and_for_which_gradio_is_said(home):
    (home / APP).write_text(APP_TEXT.replace(QUEUE, "demo.queue()"))
    (home / "requirements.txt").write_text("gradio==3.50.2\n")
    edit = edit_of(plan_of(home, app=True), home / APP)
    assert b"demo.queue(max_size=10, api_open=False)" in edit.after
    assert edit.what == "queue(max_size=10, api_open=False), for Gradio 3.50.2"
    assert "gradio_client can no longer submit" in edit.effect


def test_variables_that_app_sets_are_corrected(home):
    before = 'import os\n\nos.environ["OMP_NUM_THREADS"] = "8"  # 线程\nos.environ["OTHER"] = "8"\n' + APP_TEXT
    (home / APP).write_text(before)
    edit = edit_of(plan_of(home, app=True), home / APP)
    assert edit.after.decode() == before.replace('"OMP_NUM_THREADS"] = "8"', '"OMP_NUM_THREADS"] = "1"')
    assert edit.what == "OMP_NUM_THREADS: 8 → 1"
    assert "gradio_client" not in edit.effect


def test_source_variant_has_nothing_to_edit(home):
    """A tree of Python source: other files, and a page that is not Gradio's."""
    shutil.rmtree(home / "landmark2face_wy")
    shutil.rmtree(home / "config")
    shutil.rmtree(home / "service")
    (home / "service").mkdir()
    (home / "service/trans_dh_service.py").touch()
    (home / APP).write_text("from flask import Flask\napp = Flask('x')\n")
    plan = plan_of(home, app=True)
    assert not plan.problems
    assert [edit.path.name for edit in plan.edits] == ["heygem.env"]


def test_compose_file_without_a_service_of_heygem(home, tmp_path):
    path = tmp_path / "compose.yml"
    path.write_text("services:\n  web:\n    image: nginx\n  db:\n    image: mysql\n")
    assert problem_of(plan_of(home, compose_file=path), path) == "no-heygem-service"


def test_compose_file(home, tmp_path):
    path = tmp_path / "docker-compose-linux.yml"
    before = COMPOSE.replace("    shm_size: 2g\n", "")
    path.write_text(before)
    edit = edit_of(plan_of(home, compose_file=path), path)
    assert edit.after.decode() == COMPOSE.replace("    shm_size: 2g\n", "").replace(
        "    image", "    shm_size: 2g\n    image"
    )
    assert edit.what == "heygem: shm_size not set → 2g"
    assert "--force-recreate" in edit.command


def test_compose_file_that_is_a_link(home, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "compose.yml").write_text(COMPOSE)
    (tmp_path / "mine").mkdir()
    link = tmp_path / "mine" / "compose.yml"
    link.symlink_to("../real/compose.yml")
    assert problem_of(plan_of(home, compose_file=link), link) == "link-outside"
