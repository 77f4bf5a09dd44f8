"""The parts of the engine ``heygem-http``; ``tests/cli/test_heygem_http.py`` has the whole."""

import json
import time
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.errors import HeygemError, InputError, StoppedError
from heygem_cli.heygem.service import client as client_module
from heygem_cli.heygem.service.client import Client, checked_url
from heygem_cli.heygem.service.maps import Map, map_problems, parse_map, result_places, temp_folders
from heygem_cli.heygem.service.waiting import asked, pause
from heygem_service import Service

NAME = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@given(host=st.lists(NAME, min_size=1), container=st.lists(NAME, min_size=1), inside=st.lists(NAME, min_size=1))
def test_names_go_there_and_back(host, container, inside):
    given_ = Map(Path("/", *host), PurePosixPath("/", *container))
    path = Path("/", *host, *inside)
    assert given_.to_host(given_.to_container(path)) == path


@given(host=st.lists(NAME, min_size=1), container=st.lists(NAME.filter(lambda name: ":" not in name), min_size=1))
def test_every_map_can_be_written(host, container):
    made = parse_map(f"/{'/'.join(host)}:/{'/'.join(container)}")
    assert made == Map(Path("/", *host), PurePosixPath("/", *container))


@given(st.text())
def test_what_is_no_map_is_told(text):
    try:
        assert parse_map(text).container.is_absolute()
    except InputError as error:
        assert error.code == "bad-map"


def test_a_map_of_the_folder_where_we_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_map("data:/code/data").host == tmp_path / "data"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_map("~/x:/code/data").host == tmp_path / "x"
    assert parse_map("~nobody at all/x:/code/data").host == tmp_path / "~nobody at all/x"


def test_where_results_are_looked_for():
    data, other = parse_map("/host/data:/code/data"), parse_map("/host/other:/mnt")
    assert temp_folders([data, other]) == [Path("/host/data/temp")]
    assert temp_folders([parse_map("/host/temp:/code/data/temp")]) == [Path("/host/temp")]
    assert temp_folders([other]) == [Path("/host/other")]
    assert result_places("/x-r.mp4", [data]) == [Path("/host/data/temp/x-r.mp4")]
    assert result_places("x-r.mp4", [other]) == [Path("/host/other/x-r.mp4")]
    assert Path("/host/data/result/x.mp4") in result_places("/code/data/result/x.mp4", [data])


@pytest.mark.parametrize("name", ["/../x.mp4", "../../etc/passwd", "/code/data/../../x", "", "/"])
def test_a_result_cannot_lead_out_of_the_folder(name):
    assert result_places(name, [parse_map("/host/data:/code/data")]) == []


def test_what_is_wrong_with_maps(tmp_path):
    assert [each.code for each in map_problems([])] == ["no-map"]
    assert map_problems([Map(tmp_path, PurePosixPath("/x"))]) == []
    assert [each.code for each in map_problems([Map(tmp_path / "no", PurePosixPath("/x"))])] == ["bad-map"]


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8383", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://["]
)
def test_what_is_no_address(url):
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


class Said(Client):
    """A client to whom something was answered."""

    def __init__(self, body):
        super().__init__("http://x")
        self.body = body

    def _fetch(self, _path, _body):
        return self.body


@given(st.binary() | (JSON | ANSWER).map(lambda answer: json.dumps(answer).encode()))
def test_whatever_is_answered_is_a_state_or_an_error_of_ours(body):
    for ask in (lambda: Said(body).query("x"), lambda: Said(body).submit({})):
        try:
            told = ask()
        except HeygemError as error:
            assert error.code.startswith("service-")
        else:
            assert told is None or isinstance(told, bool) or 0 <= told.progress <= 100


def test_json_that_never_ends():
    with pytest.raises(HeygemError, match="no JSON"):
        Said(b"[" * 1_000_000).query("x")


def test_a_service_that_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "SECONDS", 0.3)
    service = Service(tmp_path, "mute")
    with pytest.raises(HeygemError) as caught:
        Client(service.url).submit({"code": "x", "audio_url": "/code/data/a", "video_url": "/code/data/v"})
    assert caught.value.code == "service-timeout"
    service.close()


def test_a_wait_ends_by_what_tick_raises_whatever_it_waits_for():
    def stop():
        raise StoppedError(15)

    began = time.monotonic()
    for wait in (lambda: asked(lambda: time.sleep(5), stop), lambda: pause(5, stop)):
        with pytest.raises(StoppedError):
            wait()
    assert time.monotonic() - began < 4


def test_an_answer_or_an_error_comes_back():
    assert asked(lambda: 7, lambda: None) == 7
    with pytest.raises(ZeroDivisionError):
        asked(lambda: 1 // 0, lambda: None)
