"""Files by URL, through fsspec (extra ``remote``): read in ranges, and never with their secrets.

A URL may hold a password or a signature. What is shown, kept in a cache or written to a record is
:func:`shown`, which has neither.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import IO, Any, TypeVar, cast

from harness.errors import DataError, UsageError
from harness.installed import install_hint

ATTEMPTS = 4
"""Times that a URL is asked, with 0.5, 1 and 2 seconds between."""
TIMEOUT_S = 30.0
"""Seconds without an answer after which an attempt has failed."""

BUFFER = 1 << 20
"""Bytes of one range, where little is asked for."""
STATE_S = 60
"""Seconds for which a server is not asked again whether a file is unchanged."""

_CONTAINERS = ("abfs", "wasb")
"""File systems in whose URLs a container, and no user, stands before the ``@``."""
_SIGNING = re.compile(
    r"x-amz-|x-goog-|(signature|expires|policy|key-pair-id|awsaccesskeyid|googleaccessid|"
    r"(access_?|auth_?)?token|api_?key|sig|s[eiprstv]|sk[a-z]+|spr)(=|$)",
    re.IGNORECASE,
)
"""Parts of a query that sign it: of S3, Google, CloudFront, Azure, and tokens."""
_QUERY = re.compile(r"\?[^\s'\"<>]+")
_USER = re.compile(r"//[^/\s'\"]*@")

Value = TypeVar("Value")


def is_url(text: str) -> bool:
    """Whether a text names a file of another file system: ``s3://bucket/a.png``."""
    scheme, found, _ = text.partition("://")
    return bool(found) and scheme.replace("+", "").isalnum()


def shown(url: str) -> str:
    """A URL as it may be shown and kept: without user, password and signature.

    Of an ``http(s)`` query, what is no signature tells files apart and must not be shown either: a
    digest stands for it. A URL that was signed anew is the same one. What comes after ``::`` is
    kept as it is, and so is all of a key of another file system, where ``?`` and ``#`` are letters.
    """
    holder, inside, member = url.partition("::")
    scheme, _, rest = holder.partition("://")
    query = ""
    if scheme.lower() in ("http", "https"):
        rest, _, query = rest.partition("#")[0].partition("?")
        named = "&".join(part for part in query.split("&") if not _SIGNING.match(part))
        query = f"?…{hashlib.sha256(named.encode()).hexdigest()[:16]}" if named else ""
    host, slash, path = rest.partition("/")
    if not scheme.lower().startswith(_CONTAINERS):
        host = host.rpartition("@")[2]
    return f"{scheme}://{host}{slash}{path}{query}{inside}{member}"


def path_of(place: str) -> str:
    """A path as it is; a URL without its secrets and its query."""
    return shown(place).partition("?…")[0] if is_url(place) else place


def shown_place(place: str) -> str:
    """A path as it is; a URL as :func:`shown`."""
    return shown(place) if is_url(place) else place


def open_url(url: str) -> IO[bytes]:
    """A file that can be sought in; what is read comes in ranges of :data:`BUFFER` or more.

    Raises:
        OSError: it is absent, does not answer, or its server does not tell its size.
        DataError: later, where a part does not come.
        UsageError: what reads such URLs is not installed.
    """
    fs, path = _file_system(url)
    size = _asked(url, lambda: fs.info(path)).get("size")
    if size is None:
        raise OSError(f"{shown(url)}: the server does not say how long it is; {_DOWNLOAD}")
    return io.BufferedReader(_Ranges(url, int(size)), BUFFER)


_DOWNLOAD = "download it, and name the file"


class _Ranges(io.RawIOBase):
    """A file by URL, read in ranges; each is asked for again where the server does not answer."""

    def __init__(self, url: str, size: int) -> None:
        super().__init__()
        self._url, self._size, self._at = url, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at < 0:
            raise ValueError(f"{shown(self._url)}: no byte {at:,}")
        self._at = at
        return at

    def readall(self) -> bytes:
        return self._take(self._size - self._at)

    def readinto(self, buffer: Any, /) -> int:
        data = self._take(min(len(buffer), self._size - self._at))
        buffer[: len(data)] = data
        return len(data)

    def _take(self, size: int) -> bytes:
        if size <= 0:
            return b""
        data = read_range(self._url, self._at, size)
        self._at += size
        return data


def read_range(url: str, start: int, size: int) -> bytes:
    """A part of a file that holds several images.

    Raises:
        DataError: it does not come. That is no bad image, and zipfile would take an OSError for
            the end of the archive.
    """
    try:
        data = read_url(url, start, start + size) if size else b""
    except OSError as error:
        raise DataError(str(error)) from error
    if len(data) != size:
        raise DataError(f"{shown(url)}: {len(data):,} bytes came where {size:,} should be")
    return data


def read_url(url: str, start: int | None = None, end: int | None = None) -> bytes:
    """A file's bytes, or those from ``start`` to before ``end``.

    Raises:
        OSError: it is absent, the server does not answer, or does not send parts of files.
        UsageError: what reads such URLs is not installed.
    """
    fs, path = _file_system(url)
    data = cast(bytes, _asked(url, lambda: fs.cat_file(path, start=start, end=end)))
    if start is not None and end is not None and len(data) > end - start:
        raise OSError(f"{shown(url)}: the server sends whole files only, no parts; {_DOWNLOAD}")
    return data


def url_state(url: str) -> str:
    """What tells that a file is unchanged, at most :data:`STATE_S` old; raises as
    :func:`open_url`."""
    return _state(url, int(time.monotonic() // STATE_S))


@lru_cache(maxsize=1024)
def _state(url: str, _time: int) -> str:
    fs, path = _file_system(url)
    info: dict[str, Any] = _asked(url, lambda: fs.info(path))
    names = ("size", "ETag", "etag", "mtime", "LastModified", "last_modified", "created")
    return " ".join(str(info[name]) for name in names if info.get(name) is not None)


def _file_system(url: str) -> tuple[Any, str]:
    try:
        import fsspec  # here: an extra

        options = {}
        if url.startswith(("http://", "https://")):
            import aiohttp

            timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=TIMEOUT_S)
            options = {"client_kwargs": {"timeout": timeout}}
        return cast(tuple[Any, str], fsspec.url_to_fs(url, **options))
    except ImportError as error:  # of fsspec, or of what it needs for this kind of URL
        raise UsageError(
            f"{shown(url)}: what reads such URLs is not installed: {error}",
            hint=f"{install_hint('remote')}; for s3:// also s3fs, for gs:// gcsfs",
        ) from error
    except ValueError as error:
        raise UsageError(f"{shown(url)}: {_clean(str(error))}") from None


def _asked(url: str, ask: Callable[[], Value]) -> Value:
    """What a server says, asked again where it does not answer."""
    for attempt in range(ATTEMPTS):
        try:
            return ask()
        except FileNotFoundError:
            raise FileNotFoundError(f"{shown(url)}: there is no such file") from None
        except Exception as error:  # each file system has errors of its own
            reason = _clean(f"{type(error).__name__}: {error}")
            if _is_final(error) or attempt == ATTEMPTS - 1:
                # The error itself holds the URL with its secrets, so it is not chained.
                raise OSError(f"{shown(url)}: {reason}") from None
            time.sleep(0.5 * 2**attempt)
    raise AssertionError


def _is_final(error: Exception) -> bool:
    """Whether asking again cannot help: the server has answered, and refuses."""
    status = getattr(error, "status", None)
    return isinstance(error, PermissionError) or (
        isinstance(status, int) and 400 <= status < 500 and status != 429
    )


def _clean(text: str) -> str:
    """A message without secrets, which may be those of another URL, as after a redirection."""
    return _QUERY.sub("?…", _USER.sub("//", text))
