"""Files by URL: what servers do to them, and what is said of them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.data import remote, zips
from harness.data.named import Places
from harness.data.own import own_name, own_selections, own_suite
from harness.errors import DataError, UsageError
from harness.registry.suites import find_root
from tests.http_files import Files, serving
from tests.sources import picture, tarred, zipped

SIGNED = "X-Amz-Signature=a%2Fb%3DS3CRET&Expires=17&sig=%2BS3CRET"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setattr(remote.time, "sleep", lambda _: None)
    (tmp_path / "www").mkdir()
    with serving(tmp_path / "www") as found:
        yield found


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://u:p@host/a.png", "https://host/a.png"),
        ("https://u:p@ss@host/a.png", "https://host/a.png"),
        (f"https://host/a.png?{SIGNED}#x", "https://host/a.png"),
        (f"https://host/a.zip?{SIGNED}::in/b?#1.png", "https://host/a.zip::in/b?#1.png"),
        ("https://host/a.png?sv=1&sp=r&se=9&skoid=8", "https://host/a.png"),
        ("s3://bucket/a#1?.png", "s3://bucket/a#1?.png"),
        ("sftp://u:p@host/a.png", "sftp://host/a.png"),
        ("hf://datasets/u/set@v1/a.png", "hf://datasets/u/set@v1/a.png"),
        ("abfs://box@account.net/a.png", "abfs://box@account.net/a.png"),
    ],
)
def test_what_is_shown_of_a_url(url: str, said: str) -> None:
    assert remote.shown(url) == said


def test_what_is_no_signature_tells_files_apart_and_a_new_signature_does_not() -> None:
    first, second = (remote.shown(f"https://h/get?id={i}&sig=old") for i in (1, 2))
    assert first != second
    assert first == remote.shown("https://h/get?id=1&sig=new")
    assert "id=1" not in first
    names = [own_name(f"https://h/list.csv?id={i}&sig={i}") for i in (1, 2)]
    assert names[0] != names[1]
    assert names[0] == own_name("https://h/list.csv?id=1&sig=new")
    assert own_name("https://h/test-{000..001}.tar?sig=1") == own_name("https://h/test.tar")


def test_a_list_that_was_signed_anew_has_the_same_ids(tmp_path: Path) -> None:
    ids = []
    for signature in ("old", "new"):
        file = tmp_path / f"{signature}.csv"
        file.write_text(f"path,label,group\nhttps://host/a.png?sig={signature},0,x\n")
        suite = own_suite(file)
        ids += [s.id for s in suite.adapter(suite, suite.subsets[0], find_root(suite, None))]
    assert ids == ["https://host/a.png"] * 2


@pytest.mark.parametrize("status", ["500", "closed", "redirected"])
def test_errors_hold_no_secret(server: Files, status: str) -> None:
    url = server.url.replace("://", "://user:P4SS@")
    if status == "closed":
        server.server_close()
    server.redirect = server.url + "/moved{}?" + SIGNED if status == "redirected" else ""
    server.fail = 99 if status == "500" else 0
    with pytest.raises(OSError, match=r"a\.png") as caught:
        remote.read_url(f"{url}/a.png?{SIGNED}")
    assert "S3CRET" not in str(caught.value)
    assert "P4SS" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_error_after_a_redirection_holds_no_secret() -> None:
    error = RuntimeError("403, url='https://u:p@cdn/x?Signature=a/b=S3CRET' for //u:p@host/?k=v")

    def ask() -> None:
        raise error

    error.status = 403  # type: ignore[attr-defined]
    with pytest.raises(OSError, match=r"https://cdn/x\?…' for //host/\?…$"):
        remote._asked("https://host/a.png", ask)


def test_answers_that_are_cut_or_slow_are_asked_for_again(
    server: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    (server.root / "a.png").write_bytes(picture(1))
    server.cut = 2
    assert remote.read_url(f"{server.url}/a.png") == picture(1)
    monkeypatch.undo()
    monkeypatch.setattr(remote, "TIMEOUT_S", 0.3)
    server.slow = 1
    assert remote.read_url(f"{server.url}/a.png") == picture(1)
    assert (server.cut, server.slow) == (0, 0)


@pytest.mark.parametrize("name", ["z.zip", "z.tar"])
def test_a_part_that_does_not_come_is_no_bad_image(server: Files, name: str) -> None:
    images = {f"0_real/{i}.png": bytes([i]) * 3_000_000 for i in range(3)}
    zipped(images, server.root / "z", zipfile.ZIP_STORED)
    tarred(images, server.root / "z")
    source = Places("").source(f"{server.url}/{name}?{SIGNED}::0_real/1.png", "")
    server.fail = 2
    assert source.read() == images["0_real/1.png"]
    server.fail = 99
    with pytest.raises(DataError, match="500") as caught:
        source.read()
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize("name", ["z.zip", "z.tar"])
def test_an_archive_needs_a_server_that_sends_parts(server: Files, name: str) -> None:
    server.ranges = False
    images = {f"0_real/{i}.png": bytes([i]) * 2_000_000 for i in range(3)}
    zipped(images, server.root / "z", zipfile.ZIP_STORED)
    tarred(images, server.root / "z")
    with pytest.raises(DataError, match="sends whole files only, no parts; download it"):
        own_suite(f"{server.url}/{name}")


def test_a_list_needs_none(server: Files) -> None:
    server.ranges = False
    (server.root / "list.csv").write_text("path,label\na.png,0\n")
    assert own_selections([f"{server.url}/list.csv"])[0].subsets[0].name == "list"


@pytest.mark.parametrize("place", ["/etc/a.png", "file:///etc/a.png", "/etc/a.zip::b.png"])
def test_a_list_by_url_names_no_file_of_this_machine(server: Files, place: str) -> None:
    (server.root / "list.csv").write_text(f"path,label\n{place},0\n")
    with pytest.raises(DataError, match=r"row 1: .* is a file of this machine"):
        own_suite(f"{server.url}/list.csv")


def test_many_threads_read_at_once(server: Files) -> None:
    images = {f"0_real/{i}.png": picture(i) for i in range(40)}
    zipped(images, server.root / "z")
    tarred(images, server.root / "z")
    places = Places(server.url)
    names = [(f"{kind}::{name}", data) for name, data in images.items() for kind in
             ("z.zip", "z.tar")]  # fmt: skip
    zips._archive.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: places.source(name, "").read(), [n for n, _ in names]))
    assert found == [data for _, data in names]


def test_a_kind_of_url_that_nothing_reads_is_named() -> None:
    with pytest.raises(UsageError, match="gopher://host/a: Protocol not known"):
        remote.read_url("gopher://u:p@host/a")
