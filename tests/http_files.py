"""A local server of a folder that knows ranges, and can be slow, cut answers off, or fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Files(ThreadingHTTPServer):
    """Serves ``root``.

    Attributes:
        ranges: whether it knows ranges.
        fail: answers of 500 still to give.
        cut: answers still to break off in the middle.
        slow: answers still to hold back for so long that the other side gives up.
        redirect: where every file is sent on to, with its name; "" = nowhere.
        sent: bytes sent so far.
        queries: query strings that were asked with.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.ranges = True
        self.fail = 0
        self.cut = 0
        self.slow = 0
        self.redirect = ""
        self.sent = 0
        self.queries: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Files
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        parts = urlsplit(self.path)
        self.server.queries.append(parts.query)
        if self.server.fail > 0:
            self.server.fail -= 1
            return self._head(500, 0)
        if self.server.slow > 0:
            self.server.slow -= 1
            time.sleep(1.0)
        if self.server.redirect and not parts.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.server.redirect.format(parts.path))
            self.send_header("Content-Length", "0")
            return self.end_headers()
        file = self.server.root / unquote(parts.path).lstrip("/")
        if not file.is_file():
            return self._head(404, 0)
        data = file.read_bytes()
        wanted = self.headers.get("Range", "")
        if self.server.ranges and wanted.startswith("bytes="):
            first, _, last = wanted[6:].partition("-")
            start, end = int(first), int(last) if last else len(data) - 1
            part = data[start : end + 1]
            self._head(206, len(part), f"bytes {start}-{start + len(part) - 1}/{len(data)}")
            data = part
        else:
            self._head(200, len(data))
        if body and self.server.cut > 0:
            self.server.cut -= 1
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif body:
            self.server.sent += len(data)
            self.wfile.write(data)
        return None

    def _head(self, status: int, length: int, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if self.server.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()


@contextmanager
def serving(root: Path) -> Iterator[Files]:
    """A server for as long as the block lasts."""
    server = Files(root)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
