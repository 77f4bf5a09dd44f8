"""The parts of the engine ``heygem-http``; ``tests/cli/test_heygem_http.py`` tests the whole."""

import json
import time
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.errors import HeygemError, InputError, StoppedError
from heygem_cli.folder_map import FolderMap, parse_map
from heygem_cli.heygem.service import client as client_module
from heygem_cli.heygem.service.client import Client, checked_url, public_url
from heygem_cli.heygem.service.maps import map_problems, result_candidates, temp_folders
from heygem_cli.heygem.service.task import time_limit
from heygem_cli.heygem.service.waiting import call, sleep
from heygem_service import Service

NAME = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@given(host=st.lists(NAME, min_size=1), container=st.lists(NAME, min_size=1), inside=st.lists(NAME, min_size=1))
def test_map_converts_paths_in_both_directions(host, container, inside):
    map_ = FolderMap(Path("/", *host), PurePosixPath("/", *container))
    path = Path("/", *host, *inside)
    assert map_.to_host(map_.to_container(path)) == path


@given(host=st.lists(NAME, min_size=1), container=st.lists(NAME.filter(lambda name: ":" not in name), min_size=1))
def test_parse_map_accepts_every_pair_of_absolute_paths(host, container):
    parsed = parse_map(f"/{'/'.join(host)}:/{'/'.join(container)}")
    assert parsed == FolderMap(Path("/", *host), PurePosixPath("/", *container))


@given(st.text())
def test_parse_map_rejects_other_text_with_an_input_error(text):
    try:
        assert parse_map(text).container.is_absolute()
    except InputError as error:
        assert error.code == "bad-map"


def test_parse_map_resolves_relative_and_home_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_map("data:/code/data").host == tmp_path / "data"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_map("~/x:/code/data").host == tmp_path / "x"
    assert parse_map("~nobody at all/x:/code/data").host == tmp_path / "~nobody at all/x"


def test_result_candidates_follow_the_maps():
    data, other = parse_map("/host/data:/code/data"), parse_map("/host/other:/mnt")
    assert temp_folders([data, other]) == [Path("/host/data/temp")]
    assert temp_folders([parse_map("/host/temp:/code/data/temp")]) == [Path("/host/temp")]
    assert temp_folders([other]) == [Path("/host/other")]
    assert result_candidates("/x-r.mp4", [data]) == [Path("/host/data/temp/x-r.mp4")]
    assert result_candidates("x-r.mp4", [other]) == [Path("/host/other/x-r.mp4")]
    assert Path("/host/data/result/x.mp4") in result_candidates("/code/data/result/x.mp4", [data])


@pytest.mark.parametrize("name", ["/../x.mp4", "../../etc/passwd", "/code/data/../../x", "", "/"])
def test_result_outside_of_the_mapped_folders_has_no_candidates(name):
    assert result_candidates(name, [parse_map("/host/data:/code/data")]) == []


def test_map_problems_have_codes(tmp_path):
    assert [each.code for each in map_problems([])] == ["no-map"]
    assert map_problems([FolderMap(tmp_path, PurePosixPath("/x"))]) == []
    assert [each.code for each in map_problems([FolderMap(tmp_path / "no", PurePosixPath("/x"))])] == ["bad-map"]


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8383", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://["]
)
def test_checked_url_rejects_other_addresses(url):
    with pytest.raises(InputError) as caught:
        checked_url(url)
    assert caught.value.code == "bad-url"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([10000, 10001, 10004, 1, 2]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["code", "data", "status", "x"]), inner),
)
STATE = st.fixed_dictionaries(
    {"code": st.just("x"), "status": st.sampled_from([1, 2, 3]) | JSON},
    optional={"progress": JSON, "result": JSON, "msg": JSON},
)
ANSWER = st.fixed_dictionaries({"code": st.sampled_from([10000, 10000, 10002, 10004, 5]), "data": STATE | JSON})


class ClientOfAnswer(Client):
    """A client that gets a fixed answer."""

    def __init__(self, body):
        super().__init__("http://x")
        self.body = body

    def _fetch(self, _path, _body):
        return self.body


@given(st.binary() | (JSON | ANSWER).map(lambda answer: json.dumps(answer).encode()))
def test_any_answer_gives_a_valid_result_or_a_service_error(body):
    for call_method in (lambda: ClientOfAnswer(body).query("x"), lambda: ClientOfAnswer(body).submit({})):
        try:
            result = call_method()
        except HeygemError as error:
            assert error.code.startswith("service-")
        else:
            assert result is None or isinstance(result, bool) or 0 <= result.progress <= 100


def test_deeply_nested_json_is_an_error():
    with pytest.raises(HeygemError, match="not JSON"):
        ClientOfAnswer(b"[" * 1_000_000).query("x")


def test_silent_service_is_a_timeout(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 0.3)
    service = Service(tmp_path, "no-answer")
    with pytest.raises(HeygemError) as caught:
        Client(service.url).submit({"code": "x", "audio_url": "/code/data/a", "video_url": "/code/data/v"})
    assert caught.value.code == "service-timeout"
    service.close()


def test_exception_of_tick_ends_a_wait():
    def stop():
        raise StoppedError(15)

    start = time.monotonic()
    for wait in (lambda: call(lambda: time.sleep(5), stop), lambda: sleep(5, stop)):
        with pytest.raises(StoppedError):
            wait()
    assert time.monotonic() - start < 4


def test_call_returns_the_result_or_raises_the_exception():
    assert call(lambda: 7, lambda: None) == 7
    with pytest.raises(ZeroDivisionError):
        call(lambda: 1 // 0, lambda: None)


def test_time_of_a_task_follows_its_frames_and_the_rate_of_the_last_ones():
    assert time_limit(250, [], 120) == 120 + 250 / 0.5
    assert time_limit(250, [20, 10, 25], 120) == 120 + 10 * 250 / 10


def test_password_of_the_url_is_not_written_down():
    assert public_url("http://me:secret@host:8383/") == "http://host:8383"
