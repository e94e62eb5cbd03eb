"""``fetch``: test sets against a server on this machine that plays Hugging Face and misbehaves."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image

from harness.__main__ import command_line
from harness.api import Weights
from harness.commands import _fetch, _weights
from harness.data.suite import PublishedFile, Release, Selection, Suite
from harness.errors import DataError, OutputError, UsageError
from harness.fetching import download, releases
from harness.fetching.progress import ByteProgress
from harness.registry import detectors as registry
from harness.registry.suites import all_suites, find_root, get_suite, parse_selection
from tests import program
from tests.web import REVISION, serving
from tests.web import web as web  # a fixture

TAR = bytes(range(256)) * 4000  # about 1 MB
GANGEN = "datasets/nebula/dfbenchmark"
RESOLVE = f"/datasets/nebula/dfbenchmark/resolve/{REVISION}/some/GANGen-Detection.tar"


@pytest.fixture
def hub(web, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    web.publish(GANGEN, {"README.md": b"#", "some/GANGen-Detection.tar": TAR})
    return web


def run(*words, licence=True):
    accepted = ["--accept-licence"] if licence else []
    return _fetch.run(command_line("fetch").read([*words, *accepted]))


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def notes(root):
    return json.loads((root / ".fetched.json").read_text())


def test_a_suite_of_the_hub_comes_and_says_what_it_is(hub, tmp_path, capsys):
    root = tmp_path / "data"
    assert run("gangen:stgan", "--data-root", str(root)) == 0
    assert (root / "GANGen-Detection.tar").read_bytes() == TAR
    assert names(root) == [".fetched.json", "GANGen-Detection.tar"]
    said = capsys.readouterr().out
    digest = hashlib.sha256(TAR).hexdigest()
    for part in (
        "a mirror, not the authors (third party)",
        f"commit     {REVISION} (not a published pin: kept from now on)",
        "licence    none stated",
        f"GANGen-Detection.tar, 1,024,000 bytes, sha256 {digest}",
        "they hold other subsets too",
        f"gangen: is read from {root / 'GANGen-Detection.tar'}",
    ):
        assert part in said
    entry = notes(root)["gangen"]["dfbenchmark"]
    assert entry["revision"] == REVISION and entry["revision_is_published_pin"] is False
    assert entry["files"]["GANGen-Detection.tar"]["sha256"] == digest


def test_what_is_there_is_not_fetched_again_and_nothing_is_asked(hub, tmp_path, capsys):
    assert run("gangen", "--data-root", str(tmp_path)) == 0
    assert run("gangen", "--data-root", str(tmp_path), licence=False) == 0
    assert hub.asked(".tar") == [None]
    (tmp_path / "GANGen-Detection.tar").write_bytes(b"mine")
    code, said = run_problem(tmp_path, capsys)
    assert code == 3 and "another file has its name (4 bytes)" in said
    assert (tmp_path / "GANGen-Detection.tar").read_bytes() == b"mine"


def run_problem(root, capsys):
    """The exit code, and what is said of it."""
    capsys.readouterr()
    code = run("gangen", "--data-root", str(root))
    return code, capsys.readouterr().err


def test_an_interrupted_one_goes_on_with_the_same_commit(hub, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    hub.cut = [len(hub.files["/api/" + GANGEN]), 400_000]
    code, said = run_problem(tmp_path, capsys)
    assert code == 3 and "400,000 bytes are kept in GANGen-Detection.tar.part" in said
    hub.publish(GANGEN, {"GANGen-Detection.tar": b"newer"}, revision="2" * 40)
    assert run("gangen", "--data-root", str(tmp_path)) == 0
    assert (tmp_path / "GANGen-Detection.tar").read_bytes() == TAR
    assert hub.asked(".tar") == [None, "bytes=400000-"]
    assert notes(tmp_path)["gangen"]["dfbenchmark"]["revision"] == REVISION


def test_a_commit_that_is_gone_is_said(hub, tmp_path, capsys):
    assert run("gangen", "--data-root", str(tmp_path)) == 0
    hub.answers = [(404, {"X-Error-Code": "RevisionNotFound"})]
    code, said = run_problem(tmp_path, capsys)
    assert code == 3 and f"no commit {REVISION} in it any more" in said


def test_cut_connections_and_no_ranges(hub, tmp_path):
    hub.ranges = False
    hub.cut = [len(hub.files["/api/" + GANGEN]), 300_000]
    assert run("gangen", "--data-root", str(tmp_path)) == 0
    assert (tmp_path / "GANGen-Detection.tar").read_bytes() == TAR
    assert hub.asked(".tar") == [None, "bytes=300000-"]


@pytest.mark.parametrize("content", [TAR[:-1] + b"!", b"<!DOCTYPE html>sorry".ljust(len(TAR))])
def test_wrong_bytes_are_kept_apart(hub, tmp_path, capsys, content):
    hub.files[RESOLVE] = content
    code, said = run_problem(tmp_path, capsys)
    assert code == 3 and "what the server sent is another file" in said
    assert ("it is a web page" in said) == content.startswith(b"<")
    assert "GANGen-Detection.tar.bad" in names(tmp_path)
    assert "GANGen-Detection.tar" not in names(tmp_path)
    hub.files[RESOLVE] = TAR
    assert run("gangen", "--data-root", str(tmp_path)) == 0


def test_small_files_of_git_are_checked_by_its_own_digest(hub, tmp_path, capsys):
    repo, folder = "datasets/nebula/DF-arrow", {"Ojha/data-0.arrow": TAR, "Ojha/state.json": b"{}"}
    hub.publish(repo, {**folder, "ForenSynths/data-0.arrow": b"other"})
    where = f"/datasets/nebula/DF-arrow/resolve/{REVISION}/Ojha/state.json"
    hub.files[where] = b"[]"
    words = ("ufd", "--source", "df-arrow", "--data-root", str(tmp_path))
    assert run(*words) == 3
    assert (
        "expected git's SHA-1 9e26dfeeb6e641a33dae4961196235bdb965b21b" in capsys.readouterr().err
    )
    hub.files[where] = b"{}"
    assert run(*words) == 0
    assert names(tmp_path / "DF-arrow") == ["data-0.arrow", "state.json", "state.json.bad"]
    assert (tmp_path / "DF-arrow/Ojha/data-0.arrow").read_bytes() == TAR
    assert hub.asked("data-0.arrow") == [None]
    assert "labelled Apache-2.0 by the uploader" in capsys.readouterr().out


def test_a_declared_digest_beats_what_the_hub_says(hub, tmp_path, capsys):
    hub.publish("models/sywang/CNNDetection", {"CNN_synth_testset.zip": TAR})
    assert run("forensynths", "--data-root", str(tmp_path)) == 3
    said = capsys.readouterr().err
    assert "is another file now: 1,024,000 bytes" in said and "expected 20,052,866,587" in said
    assert hub.asked(".zip") == []


@pytest.mark.parametrize("stated", [{"size": 1_024_001}, {"sha256": "0" * 64}])
def test_either_of_a_declared_size_and_digest_is_enough(hub, tmp_path, stated):
    release = replace(
        get_suite("gangen").releases[0],
        files=(PublishedFile(name="GANGen-Detection.tar", **stated),),
    )
    with pytest.raises(DataError, match="is another file now"):
        releases.place_order(parse_selection("gangen")[0], release, tmp_path)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("status", [401, 403])
def test_a_gate_says_where_to_accept_and_what_to_type(hub, tmp_path, capsys, status, place):
    gate = (status, {"X-Error-Code": "GatedRepo"})
    if place:  # the repository may be looked at, its files not
        with serving() as store:
            hub.store = store
            store.answers = [gate]
            code, said = run_problem(tmp_path, capsys)
    else:
        hub.answers = [gate]
        code, said = run_problem(tmp_path, capsys)
    assert code == 3 and f"HTTP {status}" in said
    assert "open https://huggingface.co/datasets/nebula/dfbenchmark" in said
    assert "HF_TOKEN=hf_..." in said


def test_the_token_goes_to_the_hub_and_to_no_other(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving() as store:
        store.files[RESOLVE] = TAR
        hub.store = store
        assert run("gangen", "--data-root", str(tmp_path)) == 0
        assert {token for _, _, token in hub.requests} == {"Bearer hf_secret"}
        assert [token for _, _, token in store.requests] == [None]
    assert "hf_secret" not in (tmp_path / ".fetched.json").read_text()


def test_too_many_requests_are_waited_for_as_asked(hub, tmp_path, monkeypatch, capsys):
    waited = []
    monkeypatch.setattr(ByteProgress, "wait", lambda self, seconds, why: waited.append(why))
    hub.answers = [(429, {"Retry-After": "7"})]
    assert run("gangen", "--data-root", str(tmp_path)) == 0
    assert len(waited) == 1
    assert "429" in waited[0] and "waiting 7 s" in waited[0]


@pytest.mark.parametrize("headers", [{"Retry-After": "7"}, {}])
def test_a_busy_store_is_waited_for(hub, tmp_path, monkeypatch, headers):
    waited = []
    monkeypatch.setattr(ByteProgress, "wait", lambda self, seconds, why: waited.append(seconds))
    with serving() as store:
        store.files[RESOLVE] = TAR
        store.answers = [(429, headers), (429, headers)]
        hub.store = store
        assert run("gangen", "--data-root", str(tmp_path)) == 0
    assert waited == ([7, 7] if headers else [2, 4])


def test_a_wait_without_end_is_refused(hub, tmp_path, capsys):
    hub.answers = [(429, {"Retry-After": "86400"})]
    code, said = run_problem(tmp_path, capsys)
    assert code == 3 and "asks to be left alone for 86,400 s; no more than 300 s" in said


def test_a_retry_after_is_a_number_or_a_date():
    assert download.retry_after("12") == 12
    assert download.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert download.retry_after("Wed, 21 Oct 2222 07:28:00 GMT") > 1e9
    assert download.retry_after("soon") is None and download.retry_after(None) is None


def test_offline_is_one_line(hub, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    code, said = run_problem(tmp_path, capsys)
    assert code == 3 and said.count("\n") == 1
    assert "http://127.0.0.1:1 cannot be reached" in said and "is this machine offline?" in said
    assert names(tmp_path) == []


def test_a_disk_that_is_too_small_is_told_before_the_first_byte(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1_023_999))
    with pytest.raises(OutputError, match="1,024,000 bytes are to come, and 1,023,999 bytes are"):
        run("gangen", "--data-root", str(tmp_path))
    assert hub.asked(".tar") == []
    (tmp_path / "GANGen-Detection.tar.part").write_bytes(TAR[:1000])  # so much less is to come
    assert run("gangen", "--data-root", str(tmp_path)) == 0
    assert hub.asked(".tar") == ["bytes=1000-"]


@pytest.mark.parametrize(("answer", "code"), [("n", 2), ("", 2), ("y", 0), (" YES ", 0)])
def test_the_terms_are_asked_for_at_a_terminal(hub, tmp_path, monkeypatch, answer, code):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda text: answer)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    if code:
        with pytest.raises(UsageError, match="the terms are not accepted: nothing is fetched"):
            run("gangen", "--data-root", str(tmp_path), licence=False)
    else:
        assert run("gangen", "--data-root", str(tmp_path), licence=False) == 0
    assert bool(hub.asked(".tar")) == (not code)


def test_without_a_terminal_the_flag_is_named(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="no terminal") as caught:
        run("gangen", "--data-root", str(tmp_path), licence=False)
    assert "--accept-licence" in caught.value.hint
    assert "licence    none stated" in capsys.readouterr().out
    assert hub.asked(".tar") == [] and names(tmp_path) == []


def test_a_second_fetch_at_the_same_time_leaves_the_first_alone(hub, tmp_path, capsys):
    hub.publish(GANGEN, {"GANGen-Detection.tar": TAR})
    selection = parse_selection("gangen")[0]
    ready = releases.place_order(selection, get_suite("gangen").releases[0], tmp_path)
    hub.gate.clear()
    first = threading.Thread(target=releases.fetch, args=([ready], 1))
    first.start()
    while not hub.asked(".tar"):
        pass
    [(_, outcome)] = releases.fetch([ready], 1)
    assert "another process is fetching it" in str(outcome)
    hub.gate.set()
    first.join()
    assert (tmp_path / "GANGen-Detection.tar").read_bytes() == TAR
    assert hub.asked(".tar") == [None]


def test_what_another_process_has_just_fetched_is_not_fetched_twice(hub, tmp_path):
    ready = releases.place_order(
        parse_selection("gangen")[0], get_suite("gangen").releases[0], tmp_path
    )
    assert run("gangen", "--data-root", str(tmp_path)) == 0
    [(_, outcome)] = releases.fetch([ready], 1)
    assert "has just fetched it" in str(outcome)
    assert hub.asked(".tar") == [None]


def test_several_at_once_and_one_failure_leaves_the_others(hub, tmp_path, capsys):
    folder = {f"Ojha/data-{number}.arrow": bytes([number]) * 9000 for number in range(8)}
    hub.publish("datasets/nebula/DF-arrow", folder)
    del hub.files[f"/datasets/nebula/DF-arrow/resolve/{REVISION}/Ojha/data-3.arrow"]
    words = ("ufd", "--source", "df-arrow", "--data-root", str(tmp_path), "--jobs", "3")
    assert run(*words) == 3
    assert len([name for name in names(tmp_path) if name.endswith(".arrow")]) == 7
    assert len(notes(tmp_path)["ufd"]["df-arrow"]["files"]) == 7
    assert "data-3.arrow: HTTP 404" in capsys.readouterr().err


def test_a_source_for_people_says_what_to_do(tmp_path, capsys):
    assert run("ufd", "--source", "drive", "--data-root", str(tmp_path)) == 3
    said = capsys.readouterr().err
    assert "only a person can open its source drive, https://drive.google.com" in said
    assert "next: open the page and put diffusion_datasets.zip" in said


def test_without_a_data_root_the_sources_are_shown(capsys, monkeypatch):
    monkeypatch.delenv("LFM_DATA", raising=False)
    with pytest.raises(UsageError, match="nothing is fetched") as caught:
        run("forensynths")
    assert "fetch forensynths --data-root FOLDER" in caught.value.hint
    said = capsys.readouterr().out
    assert "authors (the default): https://huggingface.co/sywang/CNNDetection" in said
    assert "d87eeff4eb6d1061f57620aa1bd54e699a18cc9860fcdc6a55bf4cf643008d85" in said
    assert "df-arrow:" in said and "drive" not in said
    assert run("--list") == 0
    assert "gangen: GANGen-Detection" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gangan",), "unknown suite or detector 'gangan'"),
        (("gangen:stgam",), "suite gangen has no subset or group 'stgam'"),
        (("gangen", "--source", "drve"), "unknown source of gangen 'drve'"),
        (("lfm", "--source", "drive"), "no suite is named"),
        (("lfm:relesed",), "unknown checkpoint of lfm 'relesed'"),
    ],
)
def test_names_that_are_none(tmp_path, words, message):
    with pytest.raises(UsageError, match=message):
        run(*words, "--data-root", str(tmp_path))


def test_the_embedded_suite_needs_nothing(capsys, tmp_path):
    assert run("mini", "--data-root", str(tmp_path)) == 0
    assert "mini: nothing to fetch, it is committed in this repository" in capsys.readouterr().out


def one_suite(*files, name="one"):
    suite = get_suite("gangen")
    release = Release(
        name="site",
        publisher="the authors",
        page="https://example.org",
        certainty="documented",
        files=files,
    )
    made = Suite(
        name=name,
        title="One",
        subsets=suite.subsets,
        adapter=suite.adapter,
        releases=(release,),
        folders=("x",),
    )
    return Selection(suite=made, subsets=made.subsets[:1]), release


def test_plain_addresses_and_only_the_files_of_the_chosen_subsets(web, tmp_path):
    content = {name: name.encode() * 1000 for name in ("attgan.zip", "began.zip", "readme.bin")}
    web.files = {f"/{name}": data for name, data in content.items()}
    files = [
        PublishedFile(
            name=name,
            url=f"{web.url}/{name}",
            sha256=hashlib.sha256(data).hexdigest(),
            subsets=() if name == "readme.bin" else (name.partition(".")[0],),
        )
        for name, data in content.items()
    ]
    selection, release = one_suite(*files)
    outcomes = releases.fetch([releases.place_order(selection, release, tmp_path)], 2)
    assert [path.name for _, path in outcomes] == ["attgan.zip", "readme.bin"]
    assert names(tmp_path) == [".fetched.json", "attgan.zip", "readme.bin"]


def test_what_nothing_vouches_for_is_fetched_on_request_only(web, tmp_path, monkeypatch, capsys):
    web.files = {"/x.zip": TAR}
    selection, _ = one_suite(PublishedFile(name="x.zip", url=f"{web.url}/x.zip"))
    monkeypatch.setattr(_fetch, "_meant", lambda names: ([selection], []))
    assert run("one", "--data-root", str(tmp_path)) == 3
    assert "nothing could tell a right file from a wrong one" in capsys.readouterr().err
    assert web.requests == []
    assert run("one", "--data-root", str(tmp_path), "--accept-unverified") == 0
    assert notes(tmp_path)["one"]["site"]["files"]["x.zip"]["sha256"]
    said = capsys.readouterr().out
    assert "1 file, size not known" in said and "x.zip: fetched, not verified" in said


def test_a_repository_cannot_write_elsewhere(hub, tmp_path, capsys):
    hub.publish("datasets/nebula/DF-arrow", {"Ojha/../../../x.arrow": TAR})
    root = tmp_path / "data"
    assert run("ufd", "--source", "df-arrow", "--data-root", str(root)) == 3
    assert "is no name for a file below" in capsys.readouterr().err
    assert hub.asked(".arrow") == []


def test_damaged_notes_are_named(hub, tmp_path, capsys):
    (tmp_path / ".fetched.json").write_text("[1]")
    code, said = run_problem(tmp_path, capsys)
    assert code == 3 and ".fetched.json: damaged" in said


def test_a_file_that_is_not_in_the_repository(hub, tmp_path, capsys):
    hub.publish(GANGEN, {"README.md": b"#"})
    code, said = run_problem(tmp_path, capsys)
    assert code == 3 and f"no GANGen-Detection.tar in it at commit {REVISION}" in said


def test_the_fetched_archive_is_what_the_suite_is_read_from(hub, tmp_path, capsys):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number, folder in enumerate(("0_real", "1_fake")):
            picture = io.BytesIO()
            Image.new("RGB", (8, 8), (number, 0, 0)).save(picture, "png")
            archive.writestr(f"GANGen-Detection/STGAN/{folder}/a.png", picture.getvalue())
    hub.publish(GANGEN, {"GANGen-Detection.zip": made.getvalue()})
    release = get_suite("gangen").releases[0]
    other = replace(release, files=(PublishedFile(name="GANGen-Detection.zip"),))
    found = releases.place_order(parse_selection("gangen:stgan")[0], other, tmp_path)
    releases.fetch([found], 1)
    suite = get_suite("gangen")
    place = find_root(suite, tmp_path)
    assert str(place).startswith(str(found.files[0].target))
    samples = suite.adapter(suite, found.selection.subsets[0], place)
    assert [sample.label for sample in samples] == [0, 1]


def test_a_portal_in_place_of_the_hub_is_said(hub, tmp_path, capsys):
    hub.files["/api/" + GANGEN] = b"<html>log in</html>"
    code, said = run_problem(tmp_path, capsys)
    assert code == 3 and f"{hub.url}: the answer is not one of Hugging Face" in said


def test_without_the_extra_it_says_what_to_install(hub, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match="needs the extra remote") as caught:
        run("gangen", "--data-root", str(tmp_path))
    assert caught.value.hint == ".venv/bin/pip install -e '.[remote]'"


def test_two_suites_of_which_one_is_refused(hub, tmp_path, capsys):
    assert run("gangen,ufd", "--data-root", str(tmp_path)) == 3
    assert names(tmp_path) == [".fetched.json", "GANGen-Detection.tar"]
    assert "no Ojha.tar in it" in capsys.readouterr().err
    assert list(notes(tmp_path)) == ["gangen"]


@pytest.fixture
def checkpoints(web, monkeypatch, tmp_path):
    """A detector of two checkpoints, on the server; into an empty folder."""
    web.files = {"/a.pth": b"\0a" * 1000, "/b.pth": b"\0b" * 1000}
    weights = [
        Weights(
            name=name,
            filename=f"{name}.pth",
            url=f"{web.url}/{name}.pth",
            sha256=hashlib.sha256(web.files[f"/{name}.pth"]).hexdigest(),
            size=2000,
            licence=f"terms of {name}",
            trained_on="ProGAN",
        )
        for name in "ab"
    ]
    spec = SimpleNamespace(name="one", weights=tuple(weights), pretrained=())
    monkeypatch.setattr(registry, "detectors", lambda: {"one": spec})
    monkeypatch.setenv("LFM_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_checkpoints_come_by_the_same_command(web, checkpoints, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(UsageError, match="no terminal"):
        run("one:a", licence=False)
    assert web.requests == []
    assert run("one:a") == 0
    said = capsys.readouterr().out
    assert f"one:a from {web.url}/a.pth\n  licence    terms of a\n" in said
    assert names(checkpoints) == ["a.pth"]
    assert run("one") == 0
    assert "terms of a" not in capsys.readouterr().out  # it is there: nothing to agree to
    assert names(checkpoints) == ["a.pth", "b.pth"]
    assert run("one", licence=False) == 0
    assert web.asked(".pth") == [None, None]


def test_weights_fetch_is_the_same_and_looks_at_the_disk(web, checkpoints, monkeypatch):
    words = command_line("weights").read(["--fetch", "one"])
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=3999))
    with pytest.raises(OutputError, match="4,000 bytes are to come, and 3,999 bytes are free"):
        _weights.run(words)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=4000))
    assert _weights.run(words) == 0
    assert names(checkpoints) == ["a.pth", "b.pth"]


def test_a_star_is_the_whole_repository(hub, tmp_path):
    content = {"Flux.zip": TAR, "more/GoT.zip": TAR, ".gitattributes": b"x", "README.md": b"#"}
    hub.publish("datasets/Junwei-Xi/EvalGEN", content)
    assert run("evalgen", "--data-root", str(tmp_path)) == 0
    assert names(tmp_path / "EvalGEN") == ["Flux.zip", "GoT.zip", "README.md"]
    assert (tmp_path / "EvalGEN/more/GoT.zip").read_bytes() == TAR


def test_every_declared_release_can_be_asked_for():
    for suite in all_suites().values():
        assert suite.embedded or suite.releases, suite.name
        known = [release.name for release in suite.releases]
        assert len(set(known)) == len(known), suite.name
        for release in suite.releases:
            assert bool(release.files) != bool(release.by_hand), (suite.name, release.name)
            for file in release.files:
                assert bool(file.url) != bool(release.repo), (suite.name, file.name)
                assert {*file.subsets} <= {subset.name for subset in suite.subsets}


def test_ctrl_c_keeps_what_has_arrived(hub, tmp_path):
    """Of two files at once, one stands still: the command ends all the same, and can go on."""
    content = {f"Ojha/data-{number}.arrow": TAR * 8 for number in range(2)}
    hub.publish("datasets/nebula/DF-arrow", content)
    hub.slow = 0.02
    words = ("ufd", "--source", "df-arrow", "--accept-licence", "--data-root", tmp_path)
    command = (*program.HARNESS, "fetch", *words)
    with program.started(*command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        while not any(tmp_path.rglob("*.part")) or min(map(size, tmp_path.rglob("*.part"))) < 1e6:
            time.sleep(0.01)
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=60) == 130
        said = child.stderr.read().decode()
    assert "run the same command again to go on" in said and "Traceback" not in said
    parts = {path.name: size(path) for path in tmp_path.rglob("*.part")}
    assert parts and not list(tmp_path.rglob("*.arrow"))
    hub.slow = 0
    hub.requests.clear()
    assert run(*map(str, words)) == 0
    assert {sent for name in parts for sent in hub.asked(name.removesuffix(".part"))} == {
        f"bytes={have}-" for have in parts.values()
    }
    assert all(path.read_bytes() == TAR * 8 for path in tmp_path.rglob("*.arrow"))


def size(path):
    return path.stat().st_size
