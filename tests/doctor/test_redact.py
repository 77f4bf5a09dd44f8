"""Private data in bug reports."""

from pathlib import Path

import pytest

from heygem_cli.doctor.redact import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/li.wei/HeyGem/app.py", "~/HeyGem/app.py"),
        ("/Users/wei/x", "~/x"),
        ("/srv/me/a and /srv/meme/b", "~/a and /srv/meme/b"),
        ("http://user:pass@host:7860/?token=abc&x=1", "http://***@host:7860/?token=***&x=1"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("hf_abcdefghijk and sk-ABCDEFGHIJ12 and ghp_0123456789", "*** and *** and ***"),
        ("password='hunter2', api_key: k1", "password='***', api_key: ***"),
        ("the value is s3cr3t-value.", "the value is ***."),
        ("num_threads: 4", "num_threads: 4"),
        ("author: x", "author: x"),
        ("/work/here", "/work/here"),
    ],
)
def test_secrets_and_user_names_are_hidden(text, shown):
    environment = {"MY_API_TOKEN": "s3cr3t-value", "PWD": "/work/here", "KEYBOARD": "threads", "X_KEY": "4"}
    assert redact(text, Path("/srv/me"), environment) == shown


def test_root_as_home_folder_is_not_hidden():
    assert redact("/usr/bin", Path("/"), {}) == "/usr/bin"
