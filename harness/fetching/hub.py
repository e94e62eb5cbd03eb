"""Hugging Face: which commit is meant, which files it has, what their bytes are.

``huggingface_hub`` (extra ``remote``) is asked for these and for the token. The bytes come through
:mod:`harness.fetching.download`: the library's own download (seen in 2.4) begins a file again when
it was interrupted, and has no limit to how long it waits.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.client import responses
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from harness.data.suite import PublishedFile, Release
from harness.errors import DataError, UsageError
from harness.fetching.download import (
    ATTEMPTS,
    TIMEOUT_S,
    AskedToWait,
    DownloadError,
    Remote,
    retry_after,
    wait_as_asked,
)
from harness.fetching.progress import ByteProgress
from harness.installed import install_hint

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_CLIENTS = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"})
"""Libraries with which huggingface_hub's versions speak to the server."""


_OTHERS = "python -m harness fetch SUITE --list shows its other sources"


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A repository at one commit.

    Args:
        revision: the commit.
        files: path below the release's folder -> the file; of those that it takes.
    """

    revision: str
    files: dict[str, Remote]


def look_up(release: Release, revision: str, names: tuple[PublishedFile, ...]) -> Commit:
    """The files of a release, with the sizes and digests that the hub states.

    Args:
        release: which repository.
        revision: the commit; "" = the newest, whichever that is.
        names: those of its files that are wanted.

    Raises:
        UsageError: the extra is not installed.
        DataError: the hub cannot be reached, refuses, or has no such files.
    """
    try:
        from huggingface_hub import HfApi, get_token, hf_hub_url
    except ImportError as error:
        raise UsageError(
            f"{release.page}: Hugging Face needs the extra remote, which is not installed",
            hint=install_hint("remote"),
        ) from error
    kind, _, repo = release.repo.partition("/")
    endpoint = os.environ.get("HF_ENDPOINT") or None
    info = _asked(HfApi(endpoint=endpoint), release, repo, kind.removesuffix("s"), revision)
    token = get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    found: dict[str, Remote] = {}
    for wanted in names:
        matching = _matching(info, wanted.name)
        for place, file in matching.items():
            url = hf_hub_url(
                repo,
                file.rfilename,
                repo_type=kind.removesuffix("s"),
                revision=info.sha,
                endpoint=endpoint,
            )
            found[place] = _remote(file, wanted, url, headers, release)
        if not matching:
            raise DataError(
                f"{release.page}: no {wanted.name} in it at commit {info.sha}",
                hint=f"look at the page: its publisher may have renamed it; {_OTHERS}",
            )
    return Commit(revision=info.sha, files=found)


def _matching(info: Any, name: str) -> dict[str, Any]:
    """The files that a name means, by where they go; without a folder it means one file,
    and ``*`` all of them."""
    files = sorted(info.siblings or [], key=lambda file: str(file.rfilename))
    if name == "*":
        return {f.rfilename: f for f in files if not str(f.rfilename).startswith(".")}
    if "/" in name:
        return {file.rfilename: file for file in files if fnmatchcase(file.rfilename, name)}
    named = [(PurePosixPath(file.rfilename).name, file) for file in files]
    return dict([(base, file) for base, file in named if fnmatchcase(base, name)][:1])


def _asked(api: Any, release: Release, repo: str, kind: str, revision: str) -> Any:
    """What the hub says of the repository."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    with ByteProgress() as progress:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return api.repo_info(
                    repo,
                    repo_type=kind,
                    revision=revision or None,
                    files_metadata=True,
                    timeout=TIMEOUT_S,
                )
            except HfHubHTTPError as error:
                wait_as_asked(release.page, _meaning(release, revision, error), attempt, progress)
                last: Exception = error
            except (ValueError, TypeError, KeyError) as error:  # such as the page of a portal
                raise DataError(
                    f"{api.endpoint}: the answer is not one of Hugging Face ({error})",
                    hint="does this network want a login, or is HF_ENDPOINT another server?",
                ) from error
            except Exception as error:  # the clients' own kinds differ from version to version
                ours = isinstance(error, OfflineModeIsEnabled)
                client = type(error).__module__.partition(".")[0] in _CLIENTS
                if not (client or isinstance(error, (ConnectionError, TimeoutError))):
                    raise
                why = "HF_HUB_OFFLINE is set" if ours else str(error) or type(error).__name__
                raise DataError(
                    f"{api.endpoint} cannot be reached ({why}): is this machine offline?"
                ) from error
    raise DownloadError(
        f"{release.page}: {_status(last)} after {ATTEMPTS} attempts",
        hint="run the same command again later",
    ) from last


def _meaning(release: Release, revision: str, error: HfHubHTTPError) -> AskedToWait:
    """A wait that the hub asks for; every other answer is raised as what it means."""
    status = error.response.status_code
    if status == 429 or status >= 500:
        return AskedToWait(_status(error), retry_after(error.response.headers.get("Retry-After")))
    if type(error).__name__ == "RevisionNotFoundError":
        raise DataError(
            f"{release.page}: no commit {revision} in it any more",
            hint="its publisher has rewritten it; take the entry out of .fetched.json in the data "
            "root to fetch the newest",
        ) from error
    hint = _refusal(release) if status in (401, 403) else _OTHERS
    raise DataError(f"{release.page}: {_status(error)}", hint=hint) from error


def _status(error: Any) -> str:
    return f"HTTP {error.response.status_code} {responses.get(error.response.status_code, '')}"


def _refusal(release: Release) -> str:
    return (
        f"open {release.page}: if it asks for it, log in and accept the licence there; then give "
        "your token (https://huggingface.co/settings/tokens) as HF_TOKEN=hf_... before the same "
        "command"
    )


def _remote(
    file: Any, wanted: PublishedFile, url: str, headers: dict[str, str], release: Release
) -> Remote:
    """What the hub states of a file, which must not contradict what its publisher states."""
    stated = file.lfs.sha256 if file.lfs else ""
    size = (file.lfs.size if file.lfs else file.size) or 0
    other = wanted.sha256 and stated and stated != wanted.sha256
    if other or (wanted.size and size and size != wanted.size):
        raise DataError(
            f"{release.page}: {file.rfilename} is another file now: {size:,} bytes, sha256 "
            f"{stated or 'not stated'}; expected {wanted.size:,} bytes, sha256 "
            f"{wanted.sha256 or 'not known'}",
            hint=_OTHERS,
        )
    return Remote(
        url=url,
        size=wanted.size or size,
        sha256=wanted.sha256 or stated,
        git_blob="" if file.lfs else file.blob_id or "",
        headers=headers,
        by_hand=f"download {release.page} by hand: {file.rfilename}",
        on_refusal=_refusal(release),
    )
