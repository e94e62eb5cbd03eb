"""Files by URL, through fsspec (extra ``remote``): read in ranges, and never with their secrets.

A URL may hold a password or a signature. What is shown, kept in a cache or written to a record is
:func:`shown`, which has neither.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import IO, Any, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

from harness.errors import UsageError

ATTEMPTS = 4
"""Times that a URL is asked, with 0.5, 1 and 2 seconds between."""
TIMEOUT_S = 30.0
"""Seconds without an answer after which an attempt has failed."""

Value = TypeVar("Value")


def is_url(text: str) -> bool:
    """Whether a text names a file of another file system: ``s3://bucket/a.png``."""
    scheme, found, _ = text.partition("://")
    return bool(found) and scheme.replace("+", "").isalnum()


def shown(url: str) -> str:
    """A URL as it may be shown and kept: no user, no password, a digest in place of the query."""
    parts = urlsplit(url)
    query = f"…{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}" if parts.query else ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def path_of(place: str) -> str:
    """A path as it is; a URL without its secrets and its query."""
    return shown(place).partition("?")[0] if is_url(place) else place


def shown_place(place: str) -> str:
    """A path as it is; a URL as :func:`shown`."""
    return shown(place) if is_url(place) else place


def open_url(url: str) -> IO[bytes]:
    """A file that can be sought in; what is read comes in ranges.

    Raises:
        OSError: it is absent or does not answer.
        UsageError: what reads such URLs is not installed.
    """
    fs, path = _file_system(url)
    return cast(IO[bytes], _asked(url, lambda: fs.open(path, "rb")))


def read_url(url: str, start: int | None = None, end: int | None = None) -> bytes:
    """A file's bytes, or those from ``start`` to before ``end``; raises as :func:`open_url`."""
    fs, path = _file_system(url)
    return cast(bytes, _asked(url, lambda: fs.cat_file(path, start=start, end=end)))


def url_state(url: str) -> str:
    """What tells that a file is unchanged; raises as :func:`open_url`."""
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
            hint=".venv/bin/pip install -e '.[remote]'; for s3:// also s3fs, for gs:// gcsfs",
        ) from error
    except ValueError as error:
        raise UsageError(f"{shown(url)}: {error}") from error


def _asked(url: str, ask: Callable[[], Value]) -> Value:
    """What a server says, asked again where it does not answer."""
    for attempt in range(ATTEMPTS):
        try:
            return ask()
        except FileNotFoundError:
            raise FileNotFoundError(f"{shown(url)}: there is no such file") from None
        except Exception as error:  # each file system has errors of its own
            reason = f"{type(error).__name__}: {error}".replace(url, shown(url))
            if _is_final(error) or attempt == ATTEMPTS - 1:
                # The error itself holds the URL with its secrets, so it is not chained.
                raise OSError(f"{shown(url)}: {_clean(reason, url)}") from None
            time.sleep(0.5 * 2**attempt)
    raise AssertionError


def _is_final(error: Exception) -> bool:
    """Whether asking again cannot help: the server has answered, and refuses."""
    status = getattr(error, "status", None)
    return isinstance(error, PermissionError) or (
        isinstance(status, int) and 400 <= status < 500 and status != 429
    )


def _clean(text: str, url: str) -> str:
    parts = urlsplit(url)
    for secret in filter(None, (parts.query, parts.password, parts.username)):
        text = text.replace(secret, "…")
    return text
