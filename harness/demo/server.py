"""The local web server of the page: Gradio, with everything that phones home or keeps files off.

Gradio reads its settings from the environment when it is imported, so :func:`prepare` comes first,
and no module imports Gradio at its top.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.demo import LOOPBACK, PORT, page
from harness.demo.facts import MAX_BYTES
from harness.demo.verdicts import Contestant
from harness.errors import UsageError

PORTS_TRIED = 100
_STALE = 600.0  # seconds: what lies longer is of an upload that broke off

# The browser itself then refuses whatever Gradio's code might load from elsewhere. Its templates
# are compiled in the page, hence unsafe-eval.
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@contextlib.contextmanager
def prepare() -> Iterator[Path]:
    """Sets up Gradio's environment; gives the private folder of uploads, which goes at the end.

    Whatever the user's environment says of Gradio (sharing, other folders, a static server) does
    not count here.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    folder = tempfile.mkdtemp(prefix="lfm-bench-demo-")  # readable by this user alone
    os.environ.update(
        GRADIO_TEMP_DIR=folder,
        GRADIO_ANALYTICS_ENABLED="False",
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_HUB_OFFLINE="1",
        DO_NOT_TRACK="1",
    )
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def listen(host: str, port: int | None) -> socket.socket:
    """A socket bound to an address.

    Args:
        host: a name or address of this machine.
        port: which; 0 = any free one; None = ``PORT``, or the next one that is free.

    Raises:
        UsageError: the port is taken, or there is no such address here.
    """
    ports = range(PORT, PORT + PORTS_TRIED) if port is None else (port,)
    reason = ""
    for number in ports:
        try:
            family = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((host, number), family=family)
        except socket.gaierror as error:
            raise UsageError(f"--host {host}: {error.strerror}", hint="--host 127.0.0.1") from error
        except OSError as error:
            reason = os.strerror(error.errno or 0)
    named = f"port {ports[0]}" if port is not None else f"ports {ports[0]} to {ports[-1]}"
    raise UsageError(
        f"{named} on {host}: {reason}", hint="python -m harness demo --port 0 takes any free port"
    )


def serve(
    bound: socket.socket, folder: Path, contestants: Sequence[Contestant], absent: Sequence[str]
) -> None:
    """Serves the page until Ctrl-C, which it passes on as KeyboardInterrupt.

    Args:
        bound: from :func:`listen`.
        folder: from :func:`prepare`.
        contestants: the detectors.
        absent: why others are not among them, a line each.
    """
    import uvicorn

    app = build_app(folder, contestants, absent, host=bound.getsockname()[0])
    headers = list(_HEADERS.items())
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, headers=headers)
    uvicorn.Server(config).run(sockets=[bound])


def build_app(
    folder: Path, contestants: Sequence[Contestant], absent: Sequence[str], *, host: str
) -> Any:
    """The ASGI application."""
    import gradio as gr
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    if host in LOOPBACK:  # a foreign page must not reach us by a name that it points here
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"])
    # The default theme's fonts come from Google.
    theme = gr.themes.Base(
        font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
    )
    return gr.mount_gradio_app(
        app,
        _blocks(folder, contestants, absent),
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=MAX_BYTES,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme,
        css=page.css(),
    )


def _blocks(folder: Path, contestants: Sequence[Contestant], absent: Sequence[str]) -> Any:
    import gradio as gr

    def look(path: str | None) -> Iterator[tuple[str, Any]]:
        if path is None:
            return
        name, data = Path(path).name, take(Path(path), folder)
        if data is None:
            yield page.problem(name, "the upload is gone, drop the file once more."), None
            return
        for html in page.answer(data, name, contestants):
            yield html, None

    with gr.Blocks(title=page.TITLE, analytics_enabled=False) as blocks:
        gr.HTML(page.introduction(contestants, absent))
        upload = gr.File(label=f"Picture, up to {MAX_BYTES // 2**20} MB", height=160)
        result = gr.HTML(page.nothing())
        upload.upload(
            look,
            upload,
            [result, upload],
            api_visibility="private",
            show_progress="minimal",
            trigger_mode="multiple",  # the next picture waits, rather than being ignored
            concurrency_limit=1,
        )
    return blocks


def take(path: Path, folder: Path) -> bytes | None:
    """Reads an upload and deletes it; None when it is gone already.

    Deletes too what uploads that broke off left behind, and the empty file that Gradio makes beside
    every upload: both once they are old, because a young one may be an upload that is coming in.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    shutil.rmtree(path.parent, ignore_errors=True)
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):  # another answer may be tidying up too
            if time.time() - entry.stat().st_mtime > _STALE:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return data
