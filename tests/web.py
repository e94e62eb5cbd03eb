"""A web server on this machine that misbehaves as asked, and plays Hugging Face."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

REVISION = "1" * 40
PIECE = 1 << 17


class Web(ThreadingHTTPServer):
    """Files by path.

    Attributes:
        files: path -> content.
        answers: (status, headers) given in place of the next requests for files, in order.
        cut: after how many bytes the next connections are closed.
        ranges: whether parts are sent.
        requests: (path, Range, Authorization) of all requests.
        store: another server to which requests for a hub's files are sent on.
        gate: while it is not set, no body is sent.
        slow: seconds after each piece of a body.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.cut: list[int] = []
        self.ranges = True
        self.requests: list[tuple[str, str | None, str | None]] = []
        self.store: Web | None = None
        self.slow = 0.0
        self.gate = threading.Event()
        self.gate.set()

    def handle_error(self, request: object, client_address: object) -> None:
        """The client hung up, as some tests make it do."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self, ending: str) -> list[str | None]:
        """The ranges of the requests for paths with this ending."""
        return [sent for path, sent, _ in self.requests if path.endswith(ending)]

    def publish(
        self, repo: str, files: dict[str, bytes], *, revision: str = REVISION, small: str = ".json"
    ) -> None:
        """Plays the repository ``datasets/OWNER/NAME`` at one commit, which becomes the newest.

        Files with the ending ``small`` are kept in git itself, the others in LFS.
        """
        kind, _, name = repo.partition("/")
        siblings = []
        for path, content in files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry = {"rfilename": path, "size": len(content), "blobId": blob}
            if not path.endswith(small):
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
            siblings.append(entry)
            prefix = "" if kind == "models" else f"/{kind}"
            self.files[f"{prefix}/{name}/resolve/{revision}/{path}"] = content
        answer = json.dumps({"id": name, "sha": revision, "siblings": siblings}).encode()
        self.files[f"/api/{kind}/{name}"] = answer
        self.files[f"/api/{kind}/{name}/revision/{revision}"] = answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        web, asked = self.server, self.headers.get("Range")
        path = unquote(urlsplit(self.path).path)
        web.requests.append((path, asked, self.headers.get("Authorization")))
        self.close_connection = True
        if web.answers:
            self._say(*web.answers.pop(0))
        elif web.store and "/resolve/" in path:
            self._say(302, {"Location": web.store.url + self.path})
        elif path not in web.files:
            self._say(404, {})
        else:
            self._send(web.files[path], asked)

    def _say(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0", "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content: bytes, asked: str | None) -> None:
        web = self.server
        found = re.fullmatch(r"bytes=(\d+)-", asked or "") if web.ranges else None
        start = int(found[1]) if found else 0
        self.send_response(206 if found else 200)
        if found:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        body = content[start:]
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        web.gate.wait(20)
        body = body[: web.cut.pop(0)] if web.cut else body
        for first in range(0, len(body), PIECE):
            self.wfile.write(body[first : first + PIECE])
            time.sleep(web.slow)


@contextmanager
def serving() -> Iterator[Web]:
    """A server that runs; ends with the block."""
    with Web() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            running.gate.set()
            running.shutdown()
            thread.join()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as running:
        yield running
