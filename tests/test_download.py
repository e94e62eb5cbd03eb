"""Fetching against a local server: whole, cut off, without ranges, wrong, absent."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.api import Weights
from harness.checkpoints.fetch import fetch
from harness.checkpoints.presence import by_hand
from harness.errors import WeightsError, output_error
from harness.fetching import download

CONTENT = bytes(range(256)) * 4000  # about 1 MB: four chunks


class Server(ThreadingHTTPServer):
    """One file; ``cut`` closes the connection after so many bytes, ``requests`` keeps ranges."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.cut = []
        self.ranges = True
        self.status = None
        self.sends_length = True
        self.requests = []

    def handle_error(self, request, client_address):
        pass  # the client hung up, as some of these tests make it do

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/some/bs_model.pth"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.requests.append(asked)
        self.close_connection = True
        if server.status:
            self.send_error(server.status)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.ranges else 0
        if start >= len(server.content):
            self.send_error(416)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            last = len(server.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        if server.sends_length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[: server.cut.pop(0)] if server.cut else body)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def checkpoint(url, **changes):
    facts = {
        "name": "released",
        "filename": "model.pth",
        "url": url,
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "size": len(CONTENT),
        "licence": "Apache-2.0",
        "trained_on": "ProGAN",
    }
    return Weights(**{**facts, **changes})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_whole_download_then_nothing_more(server, tmp_path, capsys):
    folder = tmp_path / "new" / "weights"
    path = fetch(checkpoint(server.url), folder)
    assert path == folder / "model.pth"
    assert path.read_bytes() == CONTENT
    assert names(folder) == ["model.pth"]
    assert capsys.readouterr().out == ""
    assert fetch(checkpoint(server.url), folder) == path
    assert server.requests == [None]


def test_a_dropped_connection_is_continued_where_it_broke(server, tmp_path):
    server.cut = [300_000, 200_000]
    path = fetch(checkpoint(server.url), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-", "bytes=500000-"]


def test_a_later_call_continues_what_an_earlier_one_kept(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    server.cut = [400_000]
    with pytest.raises(WeightsError, match=r"400,000 bytes are kept in model\.pth\.part") as caught:
        fetch(checkpoint(server.url), tmp_path)
    assert "run the same command again" in caught.value.hint
    assert names(tmp_path) == ["model.pth.part"]
    assert fetch(checkpoint(server.url), tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=400000-"]
    assert names(tmp_path) == ["model.pth"]


def test_attempts_end_when_nothing_more_comes(server, tmp_path):
    server.cut = [1000, 0, 0, 0]
    with pytest.raises(WeightsError, match="closed after 1,000 of 1,024,000 bytes"):
        fetch(checkpoint(server.url), tmp_path)
    assert server.requests == [None, "bytes=1000-"]


def test_a_finished_part_needs_no_server(tmp_path):
    (tmp_path / "model.pth.part").write_bytes(CONTENT)
    path = fetch(checkpoint("http://127.0.0.1:1/x"), tmp_path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [0, 10])
def test_a_part_that_is_too_long_is_begun_again(server, tmp_path, extra):
    (tmp_path / "model.pth.part").write_bytes(b"x" * (len(CONTENT) + extra))
    weights = checkpoint(server.url, size=len(CONTENT) if extra else 0)
    assert fetch(weights, tmp_path).read_bytes() == CONTENT


def test_a_server_without_ranges_sends_everything_again(server, tmp_path):
    server.ranges = False
    server.cut = [300_000]
    assert fetch(checkpoint(server.url), tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-"]


def test_a_server_that_names_no_length(server, tmp_path):
    server.sends_length = False
    assert fetch(checkpoint(server.url, size=0), tmp_path).read_bytes() == CONTENT


def test_a_wrong_file_never_takes_the_name(server, tmp_path):
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(WeightsError, match="expected sha256 " + checkpoint("").sha256):
        fetch(checkpoint(server.url), tmp_path)
    assert names(tmp_path) == ["model.pth.bad"]
    server.content = CONTENT
    assert fetch(checkpoint(server.url), tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == ["model.pth", "model.pth.bad"]


def test_a_part_of_another_file_is_found_out_and_not_kept_for_ever(server, tmp_path):
    (tmp_path / "model.pth.part").write_bytes(b"x" * 1000)
    with pytest.raises(WeightsError, match="sha256"):
        fetch(checkpoint(server.url), tmp_path)
    assert fetch(checkpoint(server.url), tmp_path).read_bytes() == CONTENT


def test_another_size_is_refused_before_the_download(server, tmp_path):
    with pytest.raises(WeightsError, match="offers 1,024,000 bytes, expected 12"):
        fetch(checkpoint(server.url, size=12), tmp_path)
    assert names(tmp_path) == []


def test_more_than_the_size_without_a_length(server, tmp_path):
    server.sends_length = False
    with pytest.raises(WeightsError, match="sends more than the expected 12 bytes"):
        fetch(checkpoint(server.url, size=12), tmp_path)


def test_offline_says_what_to_do_by_hand(tmp_path):
    url = "http://127.0.0.1:1/bs_model.pth"  # nobody listens on port 1
    with pytest.raises(WeightsError, match=r"download stopped .*refused") as caught:
        fetch(checkpoint(url), tmp_path)
    for part in (url, str(tmp_path / "model.pth"), "1,024,000 bytes", checkpoint("").sha256):
        assert part in caught.value.hint
    assert caught.value.exit_code == 3
    assert names(tmp_path) == []


def test_absent_and_broken_servers(server, tmp_path):
    server.status = 404
    with pytest.raises(WeightsError, match="HTTP 404 Not Found"):
        fetch(checkpoint(server.url), tmp_path)
    server.status = 503
    with pytest.raises(WeightsError, match=r"download stopped .*HTTP 503"):
        fetch(checkpoint(server.url), tmp_path)
    assert names(tmp_path) == []


def test_only_web_addresses(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    with pytest.raises(WeightsError, match="only http and https"):
        fetch(checkpoint(secret.as_uri()), tmp_path)
    assert names(tmp_path) == ["secret"]


def test_without_a_sha256_nothing_is_fetched(server, tmp_path):
    with pytest.raises(WeightsError, match="sha256 is not known") as caught:
        fetch(checkpoint(server.url, sha256=""), tmp_path)
    assert f"download {server.url} by hand to {tmp_path / 'model.pth'}" in caught.value.hint
    assert server.requests == []


def test_without_a_sha256_what_was_got_by_hand_is_there(server, tmp_path):
    (tmp_path / "model.pth").write_bytes(b"mine")
    assert fetch(checkpoint(server.url, sha256=""), tmp_path) == tmp_path / "model.pth"
    assert server.requests == []


@pytest.mark.parametrize("by_name", [True, False])
def test_what_nothing_vouches_for_is_fetched_on_request(server, tmp_path, by_name):
    url = server.url if by_name else server.url.replace("bs_model.pth", "get")
    path = fetch(checkpoint(url, sha256="", size=0), tmp_path, accept_unverified=True)
    assert path == tmp_path / "model.pth"
    assert path.read_bytes() == CONTENT


def test_a_page_in_place_of_an_unverified_file_is_found_out(server, tmp_path):
    server.content = b"<!DOCTYPE html><html>Virus scan warning</html>"
    weights = checkpoint(server.url, sha256="", size=0)
    with pytest.raises(WeightsError, match=r"it is a web page.*expected a checkpoint"):
        fetch(weights, tmp_path, accept_unverified=True)
    assert names(tmp_path) == ["model.pth.bad"]
    page = checkpoint("https://example.org/folder (see its README)", sha256="", size=0)
    with pytest.raises(WeightsError, match="address of a page for people"):
        fetch(page, tmp_path, accept_unverified=True)


def test_a_page_in_place_of_a_verified_file_is_named(server, tmp_path):
    server.content = b"error code: 522"
    with pytest.raises(WeightsError, match="it is text: 'error code: 522', sha256"):
        fetch(checkpoint(server.url, size=0), tmp_path)


def packed(**files):
    """A zip archive of files ``NAME.pth`` in a folder."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"weights/{name}.pth", data)
    return content.getvalue()


def test_files_of_an_archive_are_fetched_once_and_unpacked(server, tmp_path):
    server.content = packed(model=CONTENT, other=b"\0other")
    weights = checkpoint(server.url, archive="all.zip")
    assert fetch(weights, tmp_path).read_bytes() == CONTENT
    other = checkpoint(server.url, archive="all.zip", filename="other.pth", sha256="", size=0)
    assert fetch(other, tmp_path, accept_unverified=True).read_bytes() == b"\0other"
    assert names(tmp_path) == ["all.zip", "model.pth", "other.pth"]
    assert len(server.requests) == 1
    absent = checkpoint(server.url, archive="all.zip", filename="third.pth", sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"expected third\.pth in it, it has weights/model\.pth"):
        fetch(absent, tmp_path)


def test_an_archive_that_is_none_is_set_aside(server, tmp_path):
    server.content = b"<html>gone</html>"
    with pytest.raises(WeightsError, match=r"it is a web page.*expected a zip archive"):
        fetch(checkpoint(server.url, archive="all.zip"), tmp_path)
    assert names(tmp_path) == ["all.zip.bad"]


def test_the_way_by_hand_names_the_whole_target(tmp_path):
    one = checkpoint("https://example.org/raw/best.pth", sha256="", size=0)
    target = tmp_path / "model.pth"
    expected = f"{one.url} by hand to {target} (under that name, not as best.pth)"
    assert expected in by_hand(tmp_path, one)
    same_name = checkpoint("https://example.org/raw/model.pth?dl=1", sha256="", size=0)
    assert by_hand(tmp_path, same_name) == f"download {same_name.url} by hand to {target}"
    two = checkpoint("https://example.org/a.zip", sha256="", size=0, archive="a.zip")
    both = by_hand(tmp_path, two, checkpoint(two.url, filename="b.pth", sha256="", size=0))
    assert f"unpack it to {target} and {tmp_path / 'b.pth'}" in both


def test_the_first_digits_of_a_sha256_are_checked(server, tmp_path):
    digest = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(
        WeightsError, match=r"sha256 [0-9a-f]{64}, expected sha256 0{8}\.\.\.; it is kept"
    ):
        fetch(checkpoint(server.url, sha256="0" * 8), tmp_path)
    weights = checkpoint(server.url, sha256=digest[:8], size=0)
    assert fetch(weights, tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == ["model.pth", "model.pth.bad"]


def test_another_file_of_that_name_stays(server, tmp_path):
    (tmp_path / "model.pth").write_bytes(b"mine")
    with pytest.raises(WeightsError, match="another file has its name") as caught:
        fetch(checkpoint(server.url), tmp_path)
    assert "move" in caught.value.hint
    assert (tmp_path / "model.pth").read_bytes() == b"mine"
    assert server.requests == []


def test_a_right_file_under_another_name_is_enough(server, tmp_path):
    (tmp_path / "bs_model.pth").write_bytes(CONTENT)
    assert fetch(checkpoint(server.url), tmp_path) == tmp_path / "bs_model.pth"
    assert server.requests == []


def test_a_full_disk_is_no_broken_connection(server, tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            fetch(checkpoint(server.url), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = output_error(caught.value)
    assert "model.pth.part: File too large" in said.message
    assert server.requests == [None]
    assert 0 < (tmp_path / "model.pth.part").stat().st_size <= 300_000
    assert fetch(checkpoint(server.url), tmp_path).read_bytes() == CONTENT
    assert server.requests[-1].startswith("bytes=")
