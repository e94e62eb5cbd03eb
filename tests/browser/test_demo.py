"""The demo page as a user meets it: a real server in a process of its own, a real Chromium."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.demo.facts import MAX_BYTES
from tests import program
from tests.browser.conftest import PHONE, Open, Visit
from tests.demo.conftest import picture_bytes, random_weights

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None, reason="gradio is not installed (extra demo)"
)

ANSWER_MS = 1000 * program.DEADLINE_S


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running demo: where, its detectors, where its files would lie, its way out."""

    address: str
    methods: str
    temporary: Path
    process: subprocess.Popen[str]
    proxy: socket.socket

    def kept(self) -> list[str]:
        """Files with something in them below its private folder."""
        (folder,) = self.temporary.glob("lfm-bench-demo-*")
        return [str(path) for path in folder.rglob("*") if path.is_file() and path.stat().st_size]


@contextlib.contextmanager
def serving(temporary: Path, methods: str) -> Iterator[Server]:
    proxy = socket.create_server(("127.0.0.1", 0))
    way_out = f"http://127.0.0.1:{proxy.getsockname()[1]}"
    # Nothing of the developer's environment; what it asked of the world would come to us.
    environment = {
        "HTTP_PROXY": way_out,
        "HTTPS_PROXY": way_out,
        "TMPDIR": str(temporary),
        "LFM_WEIGHTS": str(temporary),
        "OMP_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
    }
    command = (*program.HARNESS, "demo", "--port", "0", "--method", methods)
    streams = {"stdout": subprocess.PIPE, "text": True}
    with (
        proxy,
        (temporary / "log").open("w") as log,
        program.started(*command, env=environment, stderr=log, **streams) as process,
    ):
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), (temporary / "log").read_text()
        yield Server(
            address=address, methods=methods, temporary=temporary, process=process, proxy=proxy
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    temporary = tmp_path_factory.mktemp("demo")
    lfm = random_weights("lfm", temporary)
    # The second detector is absent, with long addresses.
    with serving(temporary, f"{lfm},ojha,chance") as running:
        yield running


def drop(visited: Visit, name: str, data: bytes) -> Page:
    """Uploads a file and waits for the whole answer."""
    page = visited.page
    chosen = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    page.locator("input[type=file]").set_input_files(chosen)  # type: ignore[arg-type]
    status = page.get_by_role("status").filter(has_text=name)
    status.filter(has_text="The file is deleted").or_(
        status.filter(has_text="could not be looked at")
    ).wait_for(timeout=ANSWER_MS)
    return page


def test_a_dropped_picture_is_scored_as_by_the_score_command(
    server: Server, visit: Open, tmp_path: Path
) -> None:
    page = drop(visit(server.address), "photo.jpg", picture_bytes(form="JPEG", quality=85))
    (tmp_path / "photo.jpg").write_bytes(picture_bytes(form="JPEG", quality=85))
    lfm = server.methods.split(",")[0]
    photo = tmp_path / "photo.jpg"
    told = program.run(*program.HARNESS, "score", photo, "--json", "--method", lfm)
    assert told.returncode == 0, told.stderr
    (row,) = json.loads(told.stdout)
    cells = page.get_by_role("row").filter(has_text="lfm:").get_by_role("cell").all_inner_texts()
    assert cells[:3] == [row["decision"], f"{row['score']:.4f}", f"{row['threshold']:g}"]
    facts = page.locator("dl").inner_text()
    for text in ("JPEG", "120 x 90 pixels", "known: libjpeg's", "85"):
        assert text in facts
    page.get_by_text("The same picture, shown otherwise").first.click()
    assert page.get_by_text("jpeg(75), then resize(256,256)").is_visible()


def test_a_bad_upload_gets_a_message_and_the_page_goes_on(server: Server, visit: Open) -> None:
    visited = visit(server.address)
    for name, data, message in (
        ("notes.png", b"not a picture at all", "is not a AVIF/BMP/GIF/JPEG"),
        ("cut.png", picture_bytes()[:300], "is truncated or damaged"),
        ("empty.png", b"", "is empty"),
    ):
        page = drop(visited, name, data)
        assert message in page.locator(".lfm-warning").inner_text()
        assert "Traceback" not in page.content()
    page = drop(visited, "good.png", picture_bytes())
    assert page.locator("article").count() == 2
    assert visited.errors == []


def test_a_file_over_the_limit_is_refused_and_not_kept(
    server: Server, visit: Open, tmp_path: Path
) -> None:
    big = tmp_path / "big.png"
    big.write_bytes(bytes(MAX_BYTES + 1))
    page = visit(server.address).page
    page.locator("input[type=file]").set_input_files(big)
    page.get_by_text("exceed the maximum allowed size").wait_for(timeout=ANSWER_MS)
    # The page's own code has refused it; so does the server, whoever asks.
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="big.png"\r\n\r\n'
    asked = urllib.request.Request(
        f"{server.address}gradio_api/upload",
        data=head + big.read_bytes() + b"\r\n--x--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked)
    caught.value.close()
    assert caught.value.code == 413
    assert server.kept() == []


def test_nothing_leaves_the_machine_and_nothing_is_kept(server: Server, visit: Open) -> None:
    visited = visit(server.address)
    drop(visited, "photo.png", picture_bytes())
    assert visited.requests
    for address in visited.requests:
        assert address.startswith((server.address, "data:", "blob:")), address
    server.proxy.setblocking(False)
    with pytest.raises(BlockingIOError):  # the server has asked for nothing either
        server.proxy.accept()
    assert visited.errors == []
    assert server.kept() == []


def test_a_foreign_name_and_foreign_code_are_refused(server: Server) -> None:
    asked = urllib.request.Request(server.address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked)
    caught.value.close()
    assert caught.value.code == 400
    with urllib.request.urlopen(server.address) as answer:
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", [None, PHONE], ids=["desktop", "phone"])
def test_accessible_and_no_wider_than_the_window(
    scheme: str,
    window: dict[str, int] | None,
    server: Server,
    visit: Open,
    violations: Callable[[Page], list[str]],
) -> None:
    options: dict[str, Any] = {"color_scheme": scheme, **({"viewport": window} if window else {})}
    visited = visit(server.address, **options)
    page = drop(visited, "a photograph of a long name without a dot in it.png", picture_bytes())
    for summary in page.locator("summary").all():
        summary.click()
    assert violations(page) == []
    assert visited.overflow == 0
    for part in (".lfm-intro", ".lfm-answer"):  # Gradio clips what would make the page wider
        script = "each => each.scrollWidth - each.clientWidth"
        assert page.locator(part).evaluate(script) == 0, part


def test_the_keyboard_reaches_upload_and_results(server: Server, visit: Open) -> None:
    page = drop(visit(server.address), "photo.png", picture_bytes())
    page.locator("body").focus()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.tagName"))
    assert "BUTTON" in reached  # the drop zone, which Enter opens
    assert "SUMMARY" in reached
    with page.expect_file_chooser():
        page.locator("button:has(input[type=file]), button[aria-dropeffect]").first.focus()
        page.keyboard.press("Enter")


def test_ctrl_c_ends_it_with_130_and_removes_its_folder(tmp_path: Path) -> None:
    with serving(tmp_path, "chance") as running:
        with urllib.request.urlopen(running.address) as answer:
            assert answer.status == 200
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(program.DEADLINE_S) == 130
    assert list(tmp_path.glob("lfm-bench-demo-*")) == []
    log = (tmp_path / "log").read_text()
    assert "chance is ready" in log
    assert "Traceback" not in log
