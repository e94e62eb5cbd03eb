"""Lists that mix files, members of archives, rows of tables and URLs."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.data import remote
from harness.data.manifest import load_manifest
from harness.data.own import own_name, own_suite
from harness.data.sample import UNREADABLE, Manifest
from harness.errors import DataError, UsageError
from harness.registry.suites import find_root
from tests.http_files import Files, serving
from tests.sources import folder, odd_images, parquet, picture, tarred, zipped

IMAGES = {f"{c}/{i}.png": picture(10 * k + i) for k, c in enumerate(("0_real", "1_fake"))
          for i in range(2)}  # fmt: skip


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setattr(remote.time, "sleep", lambda _: None)
    (tmp_path / "www").mkdir()
    with serving(tmp_path / "www") as found:
        yield found


def write_list(path: Path, rows: list[tuple[str, str]]) -> Path:
    lines = [f'"{place}",{label}' for place, label in rows]
    path.write_text("\n".join(["path,label", *lines]) + "\n", encoding="utf-8")
    return path


def manifest(place: Path | str, out: Path) -> Manifest:
    suite = own_suite(place)
    return load_manifest(suite, suite.subsets[0], find_root(suite, None), out)


def test_one_list_mixes_all_sources(tmp_path: Path, server: Files) -> None:
    zipped(IMAGES, tmp_path / "z")
    tarred(IMAGES, tmp_path / "t", "gz")
    parquet(IMAGES, tmp_path / "p")
    zipped(IMAGES, server.root / "z")
    folder(IMAGES, server.root)
    (tmp_path / "a::b.png").write_bytes(picture(99))
    (tmp_path / "plain.png").write_bytes(picture(98))
    rows = {
        "z.zip::0_real/0.png": IMAGES["0_real/0.png"],
        "t.tar.gz::1_fake/1.png": IMAGES["1_fake/1.png"],
        "p.parquet::row=2": IMAGES["1_fake/0.png"],
        "a::b.png": picture(99),
        "plain.png": picture(98),
        str(tmp_path / "z.zip") + "::0_real/1.png": IMAGES["0_real/1.png"],
        f"{server.url}/0_real/0.png": IMAGES["0_real/0.png"],
        f"{server.url}/z.zip::1_fake/1.png": IMAGES["1_fake/1.png"],
    }
    listing = write_list(tmp_path / "list.csv", [(place, "real") for place in rows])
    found = manifest(listing, tmp_path / "out")
    assert {s.id: s.source.read() for s in found.samples} == rows
    assert UNREADABLE not in {s.sha256 for s in found.samples}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("z.zip::none.png", r"row 1: .*z\.zip has no file none\.png"),
        ("list.csv::x", "no archive or table"),
    ],
)
def test_a_place_that_cannot_be_is_named_with_its_row(
    tmp_path: Path, place: str, said: str
) -> None:
    zipped(IMAGES, tmp_path / "z")
    with pytest.raises(DataError, match=said):
        own_suite(write_list(tmp_path / "list.csv", [(place, "0")]))


def test_a_row_that_is_not_there_is_an_unreadable_image(tmp_path: Path) -> None:
    parquet(IMAGES, tmp_path / "p")
    rows = [("p.parquet::row=0", "0"), ("p.parquet::row=9", "1")]
    found = manifest(write_list(tmp_path / "list.csv", rows), tmp_path / "out")
    assert [s.sha256 == UNREADABLE for s in found.samples] == [False, True]


def test_an_archive_that_is_damaged_is_an_error_of_its_groups_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = zipped(IMAGES, tmp_path / "z")
    (tmp_path / "bad.zip").write_bytes(whole.read_bytes()[:-40])
    text = "path,label,group\n"
    text += "".join(f"z.zip::{n},{int('fake' in n)},good\n" for n in IMAGES)
    text += "".join(f"bad.zip::{n},{int('fake' in n)},bad\n" for n in IMAGES)
    (tmp_path / "list.csv").write_text(text)
    flags = ["--images", str(tmp_path / "list.csv"), "--out", str(tmp_path / "out")]
    assert main(["run", "--method", "chance", *flags, "--on-bad-image", "skip"]) == 1
    done = capsys.readouterr()
    assert "bad.zip: no whole zip archive" in done.err
    assert len(list((tmp_path / "out/predictions").rglob("*.parquet"))) == 1


# URLs


def test_lists_and_archives_by_url_give_the_same_digest(tmp_path: Path, server: Files) -> None:
    images = odd_images()
    here = manifest(folder(images, tmp_path / "photos"), tmp_path / "out")
    zipped(images, server.root / "photos", zipfile.ZIP_STORED)
    tarred(images, server.root / "packed", "gz")
    parquet(images, server.root / "rows")
    for name in ("photos.zip", "packed.tar.gz", "rows.parquet", "photos.zip?sig=1"):
        assert manifest(f"{server.url}/{name}", tmp_path / "out").digest == here.digest
    folder(images, server.root)
    rows = [(name, name[0]) for name in images]
    write_list(server.root / "list.csv", rows)
    assert manifest(f"{server.url}/list.csv", tmp_path / "out").digest == here.digest


def test_a_member_is_read_in_ranges(tmp_path: Path, server: Files) -> None:
    images = {f"0_real/{i}.png": bytes([i]) * 200_000 for i in range(40)}
    tarred(images, server.root / "big")
    zipped(images, server.root / "big", zipfile.ZIP_STORED)
    for name in ("big.tar", "big.zip"):
        rows = [(f"{server.url}/{name}::0_real/7.png", "0")]
        found = own_suite(write_list(tmp_path / f"{name}.csv", rows))
        (sample,) = found.adapter(found, found.subsets[0], find_root(found, None))
        before = server.sent
        assert sample.source.read() == images["0_real/7.png"]
        assert server.sent - before < 7_000_000 if name == "big.zip" else 300_000


def test_a_server_that_fails_for_a_while_is_asked_again(tmp_path: Path, server: Files) -> None:
    (server.root / "a.png").write_bytes(picture(1))
    server.fail = 2
    assert remote.read_url(f"{server.url}/a.png") == picture(1)
    server.fail = 99
    with pytest.raises(OSError, match=r"a\.png: .*500"):
        remote.read_url(f"{server.url}/a.png")
    assert server.fail == 99 - remote.ATTEMPTS


def test_what_is_not_there_is_an_unreadable_image(tmp_path: Path, server: Files) -> None:
    (server.root / "a.png").write_bytes(picture(1))
    rows = [(f"{server.url}/a.png", "0"), (f"{server.url}/b.png", "1")]
    found = manifest(write_list(tmp_path / "list.csv", rows), tmp_path / "out")
    assert [s.sha256 == UNREADABLE for s in found.samples] == [False, True]


def test_a_server_without_ranges_will_do_for_whole_files(tmp_path: Path, server: Files) -> None:
    server.ranges = False
    (server.root / "a.png").write_bytes(picture(1))
    rows = [(f"{server.url}/a.png", "0")]
    found = manifest(write_list(tmp_path / "list.csv", rows), tmp_path / "out")
    assert found.samples[0].source.read() == picture(1)


def test_other_file_systems_of_fsspec(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/set/a.png", picture(1))
    rows = [("memory://set/a.png", "0"), (f"file://{tmp_path}/b.png", "1")]
    (tmp_path / "b.png").write_bytes(picture(2))
    found = manifest(write_list(tmp_path / "list.csv", rows), tmp_path / "out")
    assert [s.source.read() for s in found.samples] == [picture(1), picture(2)]


def test_secrets_of_urls_are_used_and_kept_nowhere(
    tmp_path: Path, server: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    folder(IMAGES, server.root)
    zipped(IMAGES, server.root / "z")
    secret, base = "sig=S3CRET", server.url.replace("://", "://user:P4SS@")
    rows = [(f"{base}/{name}?{secret}{i}", name[0]) for i, name in enumerate(IMAGES)]
    rows += [(f"{base}/gone.png?{secret}", "1")]
    listing = write_list(tmp_path / "list.csv", rows)
    out = tmp_path / "out"
    flags = ["--images", str(listing), "--out", str(out), "--on-bad-image", "skip"]
    assert main(["run", "--method", "chance", *flags]) == 0
    assert main(["check", *flags[:4], "--deep"]) == 3
    flags = ["--images", f"{base}/z.zip?{secret}", "--out", str(out)]
    assert main(["run", "--method", "chance", *flags]) == 0
    assert any("S3CRET" in query for query in server.queries)
    done = capsys.readouterr()
    kept = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    assert len(kept) > 5
    for text in (done.out.encode(), done.err.encode(), *kept):
        assert b"S3CRET" not in text
        assert b"P4SS" not in text


def test_two_signatures_of_one_address_are_two_images(tmp_path: Path, server: Files) -> None:
    (server.root / "a.png").write_bytes(picture(1))
    rows = [(f"{server.url}/a.png?id={i}", "0") for i in range(2)]
    assert len(manifest(write_list(tmp_path / "list.csv", rows), tmp_path / "out").samples) == 2


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        remote.read_url("https://example.org/a.png")
    assert "[remote]" in str(caught.value)


def test_names_of_urls() -> None:
    assert own_name("https://host/a/photos.zip") == own_name("https://u:p@host/a/photos.zip")
    assert own_name("https://host/a/photos.zip").startswith("own-photos-")
    assert own_name("https://host/a/photos.zip") != own_name("https://host/b/photos.zip")
