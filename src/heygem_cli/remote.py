"""Files in object storage, by their URL: fetched into a folder of this machine, and uploaded when they are complete."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heygem_cli.errors import HeygemError, InputError, NotCapableError, printable
from heygem_cli.extras import require_extra
from heygem_cli.files import part_file, publish, sha256

URL = re.compile(r"(?!(?:https?|file|local|memory):)([a-z][a-z0-9+.-]+)://[^/]+/.*[^/]", re.DOTALL)
"""The URL of a file; web pages and files of this machine are none."""
TIMEOUTS = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 3}}
"""Seconds, and how often a request is tried."""
KEPT_SECONDS = 7 * 86400.0
"""Time after which a file that nobody has used is deleted."""
DIGEST = "sha256"
"""The name under which an uploaded object has its SHA-256, where the store keeps such notes."""


def is_url(text: str) -> bool:
    """Return whether a text is the URL of a file in a store."""
    return URL.fullmatch(text.strip()) is not None


@dataclass(frozen=True, slots=True)
class RemoteInput:
    """An input in a store.

    Attributes:
        version: Changes whenever the object does; an ETag where the store has them.
        path: Where it is fetched to; the same on every machine.
    """

    url: str
    version: str
    path: Path


@dataclass(frozen=True, slots=True)
class Remote:
    """Which files of a job are in a store.

    Attributes:
        inputs: Those that are read.
        output: The URL of the output; None if it is a file.
    """

    inputs: tuple[RemoteInput, ...] = ()
    output: str | None = None


@dataclass
class RemoteFiles:
    """Finds the files of a batch in stores, each once.

    Attributes:
        folder: Where they are fetched to.
    """

    folder: Path
    _inputs: dict[str, RemoteInput] = field(default_factory=dict)
    _errors: dict[str, HeygemError] = field(default_factory=dict)

    def fetch(self, url: str) -> RemoteInput:
        """Fetch a file, unless this version of it is here.

        Raises:
            InputError: It is not there, or may not be read.
            HeygemError: The store cannot be reached.
        """
        url = url.strip()
        if url in self._errors:
            raise self._errors[url]
        if url not in self._inputs:
            try:
                self._inputs[url] = self._fetch(url)
            except HeygemError as error:
                self._errors[url] = error
                raise
        return self._inputs[url]

    def _fetch(self, url: str) -> RemoteInput:
        info = _info(url)
        if info is None:
            raise _not_found(url)
        name = hashlib.sha256(f"{url} {info}".encode()).hexdigest()[:40]
        found = RemoteInput(url, info, (self.folder / "files" / name / url.rpartition("/")[2]).absolute())
        fetch_missing(found)
        return found

    def output_path(self, url: str) -> Path:
        """Return where an output is made before it is uploaded."""
        name = hashlib.sha256(url.encode()).hexdigest()[:40]
        return (self.folder / "outputs" / name / url.rpartition("/")[2]).absolute()

    def delete_old(self) -> None:
        """Delete fetched files that nobody has used for a long time, and outputs that a killed run has left."""
        for path in (*self.folder.glob("files/*/*"), *self.folder.glob("outputs/*/*")):
            with suppress(OSError):  # another process deleted it
                if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                    path.unlink()
                    path.parent.rmdir()


def fetch_missing(remote: RemoteInput) -> None:
    """Fetch a file unless it is here.

    Raises:
        InputError: It is gone, or has changed.
        HeygemError: It cannot be fetched.
    """
    if remote.path.exists():
        with suppress(OSError):
            os.utime(remote.path)
        return
    with _errors_of(remote.url), part_file(remote.path) as part:
        _store(remote.url).get_file(_key(remote.url), os.fspath(part.open_path))
        if _info(remote.url) != remote.version:
            hint = "Run the same command again to check and render the new version"
            raise InputError("input-changed", "it has changed since the batch started", hint=hint, path=remote.url)
        publish(part, remote.path)


def upload(path: Path, url: str) -> str:
    """Upload a complete file, so that its name never has a part of it; return the version of the object.

    Raises:
        HeygemError: It cannot be uploaded.
    """
    store, key = _store(url), _key(url)
    with _errors_of(url):
        if "s3" in _protocols(store):  # an object appears when it is complete
            store.put_file(os.fspath(path), key, Metadata={DIGEST: sha256(path)})
        else:
            folder, _, name = key.rpartition("/")
            part = f"{folder}/.{name}.{os.urandom(8).hex()}.heygem-part"
            store.makedirs(folder, exist_ok=True)
            try:
                store.put_file(os.fspath(path), part)
                store.mv(part, key)
            except BaseException:
                with suppress(Exception):
                    store.rm_file(part)
                raise
        return _info(url) or ""


def version_of(url: str) -> str | None:
    """Return what changes whenever an object does; None if there is no object.

    Raises:
        InputError: It may not be read.
        HeygemError: The store cannot be reached.
    """
    return _info(url)


def digest_of(url: str) -> str:
    """Return the SHA-256 of an object: what the upload noted, or else of the content, which is read.

    Raises:
        HeygemError: It cannot be read.
    """
    store, key = _store(url), _key(url)
    with _errors_of(url):
        if "s3" in _protocols(store):
            noted = store.metadata(key).get(DIGEST)
            if noted:
                return str(noted)
        digest = hashlib.sha256()
        with store.open(key, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()


def _info(url: str) -> str | None:
    store = _store(url)
    with _errors_of(url):
        store.invalidate_cache()  # it lists folders once
        try:
            info = store.info(_key(url))
        except FileNotFoundError:
            return None
        if info.get("type") == "directory":
            return None
        return str(info.get("ETag") or store.ukey(_key(url)))


def _store(url: str) -> Any:  # noqa: ANN401 - fsspec has no types
    """Return the store of a URL; those of the same kind are the same object.

    Raises:
        NotCapableError: What the store needs is not installed.
    """
    scheme = url.partition("://")[0]
    require_extra("s3", "fsspec", *(["s3fs"] if scheme in ("s3", "s3a") else []))
    import fsspec

    options: dict[str, Any] = {"config_kwargs": TIMEOUTS} if scheme in ("s3", "s3a") else {}
    try:
        return fsspec.filesystem(scheme, **options)
    except (ValueError, ImportError) as error:
        message = f"{scheme}:// cannot be used here ({printable(str(error))})"
        raise NotCapableError("unknown-store", message, hint="Install the package of fsspec for it") from error


def _key(url: str) -> str:
    return url.partition("://")[2]


def _protocols(store: Any) -> tuple[str, ...]:  # noqa: ANN401
    return (store.protocol,) if isinstance(store.protocol, str) else tuple(store.protocol)


def _not_found(url: str) -> InputError:
    return InputError("not-found", f"{url}: there is no such object", hint="Check the bucket and the name")


@contextmanager
def _errors_of(url: str) -> Iterator[None]:
    """Convert the errors of a store.

    Raises:
        InputError: ``not-found``, ``no-permission``.
        HeygemError: ``store-failed``: another attempt may succeed.
    """
    try:
        yield
    except HeygemError:
        raise
    except FileNotFoundError as error:
        raise _not_found(url) from error
    except PermissionError as error:
        hint = "Check the credentials, such as AWS_ACCESS_KEY_ID, and the rights of this user"
        raise InputError("no-permission", f"{url}: no permission", hint=hint) from error
    # Stores raise errors of their own libraries.
    except Exception as error:
        reason = printable(" ".join(str(error).split()).rstrip(".")) or type(error).__name__
        hint = "Check the network and the endpoint, such as AWS_ENDPOINT_URL, and the credentials"
        raise HeygemError("store-failed", f"{url}: {reason}", hint=hint) from error
