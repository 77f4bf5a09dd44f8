"""Who may use ``heygem serve``, and what the guard lets pass."""

from pathlib import Path
from unittest.mock import Mock

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.serve.access import read_access
from heygem_cli.serve.guard import Guard
from heygem_cli.serve.store import Store
from heygem_cli.serve_options import ServeOptions, Size, parse_size

TOKEN = "0123456789abcdef-token"  # noqa: S105


async def application(_scope, receive, send):
    """Read the body, and answer with its size."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


@pytest.fixture
def ask(tmp_path):
    """Send a request to an application behind a guard."""

    def send(options, path="/", method="GET", host="127.0.0.1:7860", **more):
        guard = Guard(application, read_access(options), Store(tmp_path, 10**9), 1000)
        transport = httpx.ASGITransport(app=guard)

        async def run():
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                return await client.request(method, path, **more)

        return anyio.run(run).status_code

    return send


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/", {}, 401),
        ("/", {"auth": ("anna", "secret")}, 200),
        ("/", {"auth": ("anna", "wrong")}, 401),
        ("/", {"auth": ("ben", "secret")}, 401),
        ("/", {"auth": ("安娜", "密码:2")}, 200),
        ("/", {"headers": {"Authorization": "Basic ?"}}, 401),
        ("/", {"headers": {"Authorization": f"Bearer {TOKEN}"}}, 401),
        ("/api/v1/jobs", {}, 401),
        ("/api/v1/jobs", {"headers": {"Authorization": f"Bearer {TOKEN}"}}, 200),
        ("/api/v1/jobs", {"headers": {"Authorization": "Bearer x"}}, 401),
        ("/api/v1/jobs", {"headers": {"Authorization": b"Bearer \xff"}}, 401),
        ("/api/v1/jobs", {"auth": ("anna", "secret")}, 200),
        ("/metrics", {}, 401),
        ("/easy/query", {}, 401),
        ("/healthz", {}, 200),
        ("/readyz", {}, 200),
        ("/healthz/../", {}, 401),
        ("//", {}, 401),
    ],
)
def test_password_and_token(ask, tmp_path, path, more, status):
    users = tmp_path / "users"
    users.write_text("# comment\nanna:secret\n\n安娜:密码:2\n", encoding="utf-8")
    if isinstance(more.get("auth"), tuple) and not more["auth"][0].isascii():
        more = {"auth": httpx.BasicAuth(*(part.encode() for part in more["auth"]))}
    assert ask(ServeOptions(auth=str(users), token=TOKEN, host="0.0.0.0"), path, **more) == status  # noqa: S104


def test_token_alone_closes_the_api_only(ask):
    options = ServeOptions(token=TOKEN)
    assert [ask(options, path) for path in ("/", "/api/v1/jobs", "/metrics")] == [200, 401, 401]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:7860"}, 200),
        ({"Origin": "http://127.0.0.1:8888"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "127.0.0.1:7860"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:7860"}, 403),
    ],
)
def test_pages_of_other_servers_can_submit_nothing(ask, headers, status):
    assert ask(ServeOptions(), "/gradio_api/queue/join", "POST", headers=headers) == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:7860", 200),
        ("[::1]:7860", 200),
        ("192.168.1.2", 200),
        ("evil.example:7860", 421),
        ("127.0.0.1.evil.example", 421),
        ("video.example", 200),
    ],
)
def test_other_names_are_refused_without_a_password(ask, host, status):
    assert ask(ServeOptions(allow_host=("Video.example",)), "/", host=host) == status
    assert ask(ServeOptions(auth="a:b"), "/", host=host) == 401


def test_body_is_limited_while_it_arrives(ask):
    async def body(count):
        for _ in range(count):
            yield bytes(100)

    assert ask(ServeOptions(), "/gradio_api/upload", "POST", content=bytes(1000)) == 200
    assert ask(ServeOptions(), "/gradio_api/upload", "POST", content=bytes(1001)) == 413
    assert ask(ServeOptions(), "/gradio_api/upload", "POST", content=body(10)) == 200
    assert ask(ServeOptions(), "/gradio_api/queue/join", "POST", content=bytes(2000)) == 200


def test_full_folder_takes_no_upload(ask, tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(10**9)
    assert ask(ServeOptions(), "/api/v1/jobs", "POST", content=b"x") == 507
    assert ask(ServeOptions(), "/") == 200


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"host": "192.168.1.2"}, "no-auth"),
        ({"auth": "a:b", "no_auth": True}, "bad-options"),
        ({"auth": "a"}, "bad-auth"),
        ({"auth": ":b"}, "bad-auth"),
        ({"auth": "a:"}, "bad-auth"),
        ({"token": "x" * 15}, "bad-token"),
        ({"token": "密" * 16}, "bad-token"),
        ({"token": "/no/such/file"}, "bad-auth"),
        ({"api": ("easy",)}, "missing-argument"),
        ({"api": ("easy",), "data": Path("/no/such/folder")}, "no-such-folder"),
    ],
)
def test_options_that_do_not_protect_are_errors(options, code):
    with pytest.raises(InputError) as caught:
        read_access(ServeOptions(**options))
    assert caught.value.code == code


def test_token_may_be_in_a_file(tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert read_access(ServeOptions(token=str(tmp_path / "token"))).token == TOKEN


@pytest.mark.parametrize(("text", "size"), [("500M", 500 * 10**6), ("2g", 2 * 10**9), ("1 KB", 1000), ("7", 7)])
def test_sizes(text, size):
    assert parse_size(text) == size
    assert parse_size(str(parse_size(text))) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5G", "G", "10X", "9" * 13])
def test_what_is_no_size(text):
    with pytest.raises(InputError):
        parse_size(text)


def test_size_is_shown_as_a_person_writes_it():
    assert [str(Size(each)) for each in (2 * 10**9, 1500 * 10**6, 7)] == ["2G", "1500M", "7"]


def test_folder_of_the_store_is_private(tmp_path: Path):
    store = Store(tmp_path / "folder", 1)
    assert [path.stat().st_mode & 0o77 for path in (store.jobs, store.uploads)] == [0, 0]


@pytest.fixture
def upload(tmp_path, scope, monkeypatch):
    """Send an upload whose messages of so many bytes take so many seconds; return the status of the answer."""

    def send(sizes, seconds):
        answers = []
        clock = iter(range(0, 10**6, seconds))
        monkeypatch.setattr("heygem_cli.serve.guard.time", Mock(monotonic=lambda: next(clock)))
        messages = [{"type": "http.request", "body": bytes(size), "more_body": True} for size in sizes]
        messages.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive():
            await anyio.sleep(0)
            return messages.pop(0)

        async def answer(message):
            answers.append(message)

        app = Starlette(routes=[Mount("/", application)])
        guard = Guard(app, read_access(ServeOptions()), Store(tmp_path, 10**9), 10**6)
        anyio.run(guard, scope, receive, answer)
        return answers[0]["status"], dict(answers[0]["headers"]).get(b"connection"), guard._arrived

    return send


@pytest.mark.parametrize(
    ("sizes", "seconds", "status"),
    [
        ([1], 59, 200),
        ([1, 1], 31, 408),
        ([1] * 100, 1, 408),
        ([30_000] * 20, 29, 200),
        ([60_000, 1] * 5, 30, 200),
        ([15_000] * 20, 25, 408),
        ([500_000, *[1] * 10], 50, 408),
    ],
)
def test_upload_that_is_too_slow_is_given_up(upload, sizes, seconds, status):
    assert upload(sizes, seconds) == (status, b"close" if status == 408 else None, 0)


@pytest.mark.parametrize("host", ["[::1", "[127.0.0.1]:7860", "", "[v1.x]"])
def test_host_that_is_no_name_is_refused(host):
    assert not read_access(ServeOptions()).knows(host)


@pytest.fixture
def scope():
    """An upload to the API, which announces 800 bytes."""
    headers = [(b"host", b"127.0.0.1"), (b"content-length", b"800")]
    return {"type": "http", "method": "POST", "path": "/api/v1/jobs", "headers": headers}


def test_what_is_announced_takes_no_room_until_it_arrives(tmp_path, scope, monkeypatch):
    """Of a quota of 1000 bytes; the room is looked at again after each 100 bytes."""
    monkeypatch.setattr("heygem_cli.serve.guard.CHECK_BYTES", 100)
    guard = Guard(application, read_access(ServeOptions()), Store(tmp_path, 1000), 1000)
    statuses, errors = [], []

    async def run():
        others_arrived = anyio.Event()

        async def send(message):
            statuses.append(message.get("status"))

        async def slow():
            await others_arrived.wait()
            return {"type": "http.request", "body": bytes(800)}

        async def quick():
            return {"type": "http.request", "body": bytes(700)}

        async def upload_slowly():
            try:
                await guard(scope, slow, send)
            except HeygemError as error:  # the application's handler makes an answer of it
                errors.append(error.code)

        async with anyio.create_task_group() as uploads:
            uploads.start_soon(upload_slowly)
            await anyio.sleep(0.1)
            await guard(scope, quick, send)
            guard._arrived += 300  # another one
            others_arrived.set()

    anyio.run(run)
    assert (statuses, errors) == ([200, None], ["quota-full"])
    assert guard._arrived == 300
