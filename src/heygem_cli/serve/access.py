"""Who may use the server: users, the token of programs, and the names under which browsers may reach it."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from heygem_cli.errors import InputError, from_os_error
from heygem_cli.serve_options import ServeOptions

MIN_TOKEN = 16
AUTH_HINT = "Use --auth user:password, or a file with one user:password in each line"


@dataclass(frozen=True)
class Access:
    """What a request needs.

    Attributes:
        users: Passwords by user; empty if everybody may use it.
        token: What programs may send instead; None if there is none.
        hosts: Names that a browser may use for this server besides addresses; None for any.
    """

    users: Mapping[str, str]
    token: str | None
    hosts: frozenset[str] | None

    def allows(self, authorization: str, *, program: bool) -> bool:
        """Return whether a header ``Authorization`` suffices for the page, or for what programs use."""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic" and self._is_user(value):
            return True
        if not program:
            return not self.users
        if self.token is None:
            return not self.users
        return scheme.lower() == "bearer" and _equal(value.strip(), self.token)

    def _is_user(self, encoded: str) -> bool:
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        # Every password is compared, so that the time does not tell which names there are.
        matches = [_equal(name, user) & _equal(password, secret) for user, secret in self.users.items()]
        return any(matches)

    def knows(self, host: str) -> bool:
        """Return whether a header ``Host`` names this server: another name may be a page that was turned on us."""
        if self.hosts is None:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:  # such as "[::1"
            return False
        return name in self.hosts or _is_address(name)


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_local(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_access(options: ServeOptions) -> Access:
    """Return who may use the server.

    Raises:
        InputError: ``no-auth``: others could use it without a password; or an option cannot be used.
    """
    if options.auth is not None and options.no_auth:
        raise InputError("bad-options", "--auth and --no-auth exclude each other", hint="Use one of them")
    if options.auth is None and not options.no_auth and not is_local(options.host):
        message = f"--host {options.host}: everybody who reaches this machine could use it"
        raise InputError("no-auth", message, hint="Use --auth user:password, or --no-auth if that is meant")
    if "easy" in options.api:
        _check_shared_folder(options.data)
    users = {} if options.auth is None else _read_users(options.auth)
    own = {"localhost", socket.gethostname().lower(), *(name.lower() for name in options.allow_host)}
    token = None if options.token is None else _read_token(options.token)
    return Access(users, token, None if users else frozenset(own))


def _check_shared_folder(folder: Path | None) -> None:
    if folder is None:
        message = "--api easy needs the folder that clients name /code/data"
        raise InputError("missing-argument", message, hint="Name it with --data")
    if not folder.is_dir():
        raise InputError("no-such-folder", "--data: there is no such folder", hint="Create it first", path=folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        hint = "Make it writable, or choose another folder"
        raise InputError("no-permission", "--data: no permission to write into this folder", hint=hint, path=folder)


def _read_users(text: str) -> dict[str, str]:
    path = Path(text)
    if os.path.lexists(path):
        lines = [line.strip() for line in _read(path).splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
    else:
        lines = [text]
    users = {name: password for name, _, password in (line.partition(":") for line in lines)}
    if not users or not all(name and password for name, password in users.items()):
        raise InputError("bad-auth", "--auth: a user without a name or a password, or no such file", hint=AUTH_HINT)
    return users


def _read_token(text: str) -> str:
    token = _read(Path(text)).strip() if "/" in text or os.path.lexists(text) else text
    if len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable():
        message = f"--token: it has fewer than {MIN_TOKEN} characters, or characters that no header can have"
        raise InputError("bad-token", message, hint="Make one with: openssl rand -hex 16")
    return token


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError("bad-auth", "this is not a text file", hint=AUTH_HINT, path=path) from error
    except OSError as error:
        raise InputError("bad-auth", from_os_error(error).message, hint=AUTH_HINT) from error
