"""Files in object storage or on a web server, by their URL.

Inputs are fetched into a folder of this machine, and outputs uploaded to object storage when they are complete.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from heygem_cli.errors import HeygemError, InputError, NotCapableError, printable
from heygem_cli.extras import require_extra
from heygem_cli.files import part_file, publish, remove_stale_parts, sha256

URL = re.compile(r"(?!(?:file|local|memory|data):)([a-z][a-z0-9+.-]+)://[^/]+/.*[^/]", re.DOTALL)
"""The URL of a file that is not on this machine."""
NEEDS = {"s3": "s3fs", "s3a": "s3fs", "http": "aiohttp", "https": "aiohttp"}
"""The module that a scheme needs besides fsspec; those of the others are no part of our extra."""
WEB = ("http", "https")
"""Schemes of web servers, from which files are only fetched."""
CONNECT_SECONDS, READ_SECONDS, TRIES = 10, 60, 3
"""Seconds until a store answers, and between two pieces of an answer; how often a request to S3 is tried."""
KEPT_SECONDS = 7 * 86400.0
"""Time after which a file that nobody has used is deleted."""
GONE, FORBIDDEN = (404, 410), (401, 403)
"""HTTP statuses."""
DIGEST = "sha256"
"""The name under which an uploaded object has its SHA-256, where the store keeps such notes."""


def is_url(text: str) -> bool:
    """Return whether a text is the URL of a file in a store or on a web server."""
    return URL.fullmatch(text.strip()) is not None


def is_store_url(text: str) -> bool:
    """Return whether a text is the URL of a file in a store, which may be an output."""
    return is_url(text) and _scheme(text.strip()) not in WEB


@dataclass(frozen=True, slots=True)
class RemoteInput:
    """An input that is not on this machine.

    Attributes:
        version: Changes whenever the object does, see :func:`version_of`.
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

    def with_urls(self, text: str) -> str:
        """Return a message with the URL of each input instead of the path in the cache, which users do not know."""
        for each in self.inputs:
            text = text.replace(printable(each.path), printable(each.url))
        return text


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
        version = version_of(url)
        if version is None:
            raise _not_found(url)
        version = version or digest_of(url)
        found = RemoteInput(url, version, self._path("files", f"{url} {version}", url))
        fetch_missing(found)
        return found

    def output_path(self, url: str) -> Path:
        """Return where an output is made before it is uploaded."""
        return self._path("outputs", url, url)

    def _path(self, kind: str, identity: str, url: str) -> Path:
        name = (unquote(urlsplit(url).path) if _scheme(url) in WEB else url).rpartition("/")[2]
        folder = hashlib.sha256(identity.encode()).hexdigest()[:40]
        return (self.folder / kind / folder / (name if name.strip(".") else "file")).absolute()

    def delete_old(self) -> None:
        """Delete fetched files that have not been used for a long time, and outputs that a killed run has left."""
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
    remove_stale_parts(remote.path.parent)
    with _errors_of(remote.url), part_file(remote.path) as part:
        _store(remote.url).get_file(_key(remote.url), os.fspath(part.open_path))
        info = _info(remote.url) or {}
        if (_version(remote.url, info) or sha256(part.path)) != remote.version:
            hint = "Run the same command again to check and render the new version"
            message = f"{remote.url}: it has changed since the batch started"
            raise InputError("input-changed", message, hint=hint)
        if info.get("size") not in (None, fetched := part.path.stat().st_size):
            message = f"{remote.url}: {fetched:,} of {info['size']:,} bytes came"
            raise HeygemError("store-failed", message, hint="Try again, or download it another way")
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
            _upload_and_rename(store, path, key)
        return version_of(url) or ""


def _upload_and_rename(store: Any, path: Path, key: str) -> None:  # noqa: ANN401
    from fsspec import AbstractFileSystem

    folder, _, name = key.rpartition("/")
    beginning = f"{folder}/.{name}."
    store.makedirs(folder, exist_ok=True)
    for unfinished in store.glob(f"{glob.escape(beginning)}*.heygem-part"):  # of an upload that was killed
        store.rm_file(unfinished)
    part = f"{beginning}{os.urandom(8).hex()}.heygem-part"
    try:
        store.put_file(os.fspath(path), part)
        if type(store).mv is AbstractFileSystem.mv:  # it copies, too, and takes names with [ or * for patterns
            store.cp_file(part, key)
            store.rm_file(part)
        else:
            store.mv(part, key)
    except BaseException:
        with suppress(Exception):
            store.rm_file(part)
        raise


def version_of(url: str) -> str | None:
    """Return what changes whenever an object does, such as its ETag; empty if a server does not tell.

    Returns:
        The version; None if there is no object.

    Raises:
        InputError: It may not be read, or is a web page.
        HeygemError: The store cannot be reached.
    """
    with _errors_of(url):
        info = _info(url)
        return None if info is None else _version(url, info)


def _version(url: str, info: Mapping[str, Any]) -> str:
    if _scheme(url) in WEB:
        changed = info.get("Last-Modified")  # in seconds
        return str(info.get("ETag") or (f"{changed}, {info.get('size')} bytes" if changed else ""))
    return str(info.get("ETag") or _store(url).ukey(_key(url)))


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


def _info(url: str) -> dict[str, Any] | None:
    """Return what a store says about an object; None if there is none."""
    store = _store(url)
    store.invalidate_cache()  # it lists folders once
    try:
        info: dict[str, Any] = store.info(_key(url))
    except FileNotFoundError as error:
        if getattr(error.__cause__, "status", None) in GONE:
            return None
        if error.__cause__ is not None and _scheme(url) in WEB:  # whatever fails is "not found" there
            raise error.__cause__ from error
        return None
    if info.get("mimetype") == "text/html":
        hint = "Download the video or the sound itself first, for example with yt-dlp"
        raise InputError("is-a-url", f"{url}: this is a web page, not a file", hint=hint)
    return None if info.get("type") == "directory" else info


def _store(url: str) -> Any:  # noqa: ANN401 - fsspec has no types
    """Return the store of a URL; those of the same kind are the same object.

    Raises:
        NotCapableError: What the store needs is not installed.
    """
    scheme = _scheme(url)
    require_extra("s3", "fsspec", *([NEEDS[scheme]] if scheme in NEEDS else []))
    import fsspec

    try:
        return fsspec.filesystem(scheme, **_store_options(scheme))
    except (ValueError, ImportError) as error:
        message = f"{scheme}:// cannot be used here ({printable(str(error))})"
        raise NotCapableError("unknown-store", message, hint="Install the package of fsspec for it") from error


def _store_options(scheme: str) -> dict[str, Any]:
    if scheme in ("s3", "s3a"):
        retries = {"max_attempts": TRIES}
        return {"config_kwargs": {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, "retries": retries}}
    if scheme in WEB:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
        return {"client_kwargs": {"timeout": timeout, "trust_env": True}}  # proxies
    return {}


def _scheme(url: str) -> str:
    return url.partition("://")[0]


def _key(url: str) -> str:
    return url if _scheme(url) in WEB else url.partition("://")[2]


def _protocols(store: Any) -> tuple[str, ...]:  # noqa: ANN401
    return (store.protocol,) if isinstance(store.protocol, str) else tuple(store.protocol)


def _not_found(url: str) -> InputError:
    if _scheme(url) in WEB:
        return InputError("not-found", f"{url}: there is no such file", hint="Check the address")
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
    # Stores raise errors of their own libraries.
    except Exception as error:
        status, is_web = getattr(error, "status", None), _scheme(url) in WEB
        if isinstance(error, PermissionError) or status in FORBIDDEN:
            hint = "Check the credentials, such as AWS_ACCESS_KEY_ID, and the rights of this user"
            hint = "Check the address, and whether it has expired" if is_web else hint
            raise InputError("no-permission", f"{url}: no permission", hint=hint) from error
        text = printable(" ".join(str(error).split()).rstrip(".")) or type(error).__name__
        reason = f"HTTP status {status}" if status else text
        hint = "Check the network and the endpoint, such as AWS_ENDPOINT_URL, and the credentials"
        hint = "Try again later, or download the file another way" if is_web else hint
        raise HeygemError("store-failed", f"{url}: {reason}", hint=hint) from error
