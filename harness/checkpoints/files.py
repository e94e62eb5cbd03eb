"""Files of checkpoints: known by their sha256, read without running anything that is in them."""

from __future__ import annotations

import argparse
import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from harness.api import Weights
from harness.data.hashing import file_sha256, file_state
from harness.errors import WeightsError
from harness.fetching.download import describe_text
from harness.results.records import WeightsRef

FILE_TYPES = (".pth", ".pt", ".safetensors")
DIGITS = 64  # of a sha256
FEWEST_DIGITS = 8  # that are taken for one: enough against a mix-up, not against malice
_FOREIGN = re.compile(r"GLOBAL ([\w.]+)")  # so torch names what it does not load
SAVE_AGAIN = "save only the state dict: torch.save(network.state_dict(), PATH)"

_HEAD = 1024  # bytes that are looked at
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "RAR",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedWeights:
    """A checkpoint read from disk, before a network has taken it. Equal to nothing but itself.

    Args:
        state: name -> tensor on the CPU, names as the network has them; empty for a detector that
            has no weights.
        ref: which checkpoint it is, as stored with results.
        variant: the entry of the spec's ``variants`` to build the network with, "" = no options.
        path: the file; None for a detector that has no weights.
        run: the folder of the training that it is of, where it was read from there.
    """

    state: Mapping[str, Tensor]
    ref: WeightsRef
    variant: str = ""
    path: Path | None = None
    run: Path | None = None


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes; asked again for an unchanged file, it is remembered."""
    return _sha256(path, file_state(path))


def files_of(weights: Weights) -> tuple[Weights, ...]:
    """An entry and, in order, everything that it is incomplete without."""
    return (weights, *(part for other in weights.also for part in files_of(other)))


def is_published(weights: Weights, digest: str) -> bool:
    """Whether a file with this sha256 is the entry's own, as far as its publisher tells."""
    known = weights.sha256.lower()
    return len(known) >= FEWEST_DIGITS and digest.startswith(known)


def identity(weights: Weights, paths: Sequence[Path]) -> tuple[str, dict[str, str]]:
    """What a result's key holds of the files, and each one's name and sha256 if they are several.

    Another digest in any of them is another key.
    """
    digests = [sha256_of(path) for path in paths]
    if len(digests) == 1:
        return digests[0], {}
    names = (part.filename for part in files_of(weights))
    return (
        hashlib.sha256("".join(digests).encode()).hexdigest(),
        dict(zip(names, digests, strict=True)),
    )


def read_files(weights: Weights, paths: Sequence[Path]) -> dict[str, Tensor]:
    """The entries of all files of a checkpoint under the network's names."""
    state = _State()
    for part, path in zip(files_of(weights), paths, strict=True):
        # A few digits of a sha256 can be forged: they do not make a program one to run.
        verified = len(part.sha256) == DIGITS and is_published(part, sha256_of(path))
        content = _content(path, part.inside, verified)
        state.files.append(content)
        named = _renamed(content, part, path)
        twice = state.keys() & named.keys()
        if twice:
            raise WeightsError(
                f"{path}: {min(twice)!r} is in another file of {weights.name} too; expected every "
                "name once"
            )
        state.update(named)
    return state


class _State(dict[str, Tensor]):
    """Named tensors, and the whole files that they are of."""

    def __init__(self, named: Mapping[str, Tensor] | None = None) -> None:
        super().__init__(named or {})
        self.files: list[_State] = []


_in_use: WeakValueDictionary[tuple[str, str, str, bool], _State] = WeakValueDictionary()
"""Files whose tensors somebody holds: a backbone's is read once for all detectors on it."""


def _content(path: Path, inside: str, verified: bool) -> _State:
    key = (str(path), file_state(path), inside, verified)
    found = _in_use.get(key)
    if found is None:
        found = _in_use[key] = _State(read_state(path, inside=inside, verified=verified))
    return found


def read_state(path: Path, *, inside: str = "", verified: bool = False) -> dict[str, Tensor]:
    """Name -> tensor of a checkpoint file, on the CPU; a file that is one tensor names it "".

    Training scripts save more than the bare state: ``{'model': state, ...}``,
    ``{'state_dict': state, ...}``, ``{'net': state, ...}`` and names that all begin with
    ``module.`` are unwrapped.

    Args:
        path: the file.
        inside: the entry that holds the tensors, "" when the file needs no such word.
        verified: its whole sha256 is that of a file published by somebody known. Only then a
            TorchScript archive is read: it holds a program, and loading one could run it.

    Raises:
        WeightsError: not a checkpoint, damaged, or holding anything but named tensors.
    """
    content = _read(path, verified=verified)
    if inside:
        content = _entry(content, inside, path)
    for wrapper in ("model", "state_dict", "net"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if isinstance(content, Tensor):
        content = {"": content}
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: expected named tensors, got {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{path}: {name!r} is {type(value).__name__}, expected a tensor")
    prefix = "module." if all(name.startswith("module.") for name in content) else ""
    return {name.removeprefix(prefix): value.detach() for name, value in content.items()}


def _renamed(state: dict[str, Tensor], weights: Weights, path: Path) -> dict[str, Tensor]:
    if weights.mapping is None:
        return state
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        own = weights.mapping(name)
        if own is None:
            continue
        if own in renamed:
            raise WeightsError(f"{path}: two of its names map to {own!r}, one of them {name!r}")
        renamed[own] = value
    return renamed


def _entry(content: Any, name: str, path: Path) -> Any:
    if isinstance(content, Mapping) and name in content:
        return content[name]
    has = ", ".join(map(str, list(content)[:5])) if isinstance(content, Mapping) else "no entries"
    raise WeightsError(f"{path}: expected the tensors in an entry {name!r}, it has {has}")


def _read(path: Path, *, verified: bool) -> Any:
    try:
        mistaken = mistaken_for(path)
        if mistaken:
            raise WeightsError(
                f"{path}: no checkpoint: it is {mistaken}",
                hint="python -m harness weights says where each checkpoint is published",
            )
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        if _is_archive(path):
            return _archive(path, verified=verified)
        with warnings.catch_warnings():
            # Old torch files hold typed storages; reading one warns of their end.
            warnings.filterwarnings("ignore", "TypedStorage is deprecated", UserWarning)
            # SAFE's file holds its training arguments beside the weights: plain values.
            with torch.serialization.safe_globals([argparse.Namespace]):
                return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from error
    except Exception as error:  # a damaged file can make the reader stumble anywhere
        line = (str(error).splitlines() or [""])[0]
        raise WeightsError(
            f"{path}: cannot be read as a checkpoint ({type(error).__name__}: "
            f"{line or 'no more is known'})",
            hint="if it was fetched, fetch it again: it may be cut short",
        ) from error


def _refused(path: Path, error: pickle.UnpicklingError) -> WeightsError:
    """Why torch's safe reader stopped. Its own advice, to read unsafely, is nobody's here."""
    found = _FOREIGN.search(str(error))
    what = f"{found[1]} beside tensors" if found else "something besides tensors, or is damaged"
    return WeightsError(
        f"{path}: holds {what}: it is not loaded, because loading it could run code",
        hint=SAVE_AGAIN,
    )


def _is_archive(path: Path) -> bool:
    """Whether a file is a TorchScript archive, which has constants where torch.save has none."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:
        return any(name.endswith("/constants.pkl") for name in file.namelist())


def _archive(path: Path, *, verified: bool) -> Mapping[str, Tensor]:
    if not verified:
        raise WeightsError(
            f"{path}: a TorchScript archive (sha256 {sha256_of(path)}): it is not loaded, because "
            "loading it could run code; only a published one is read whose sha256 is known here",
            hint=SAVE_AGAIN,
        )
    with warnings.catch_warnings():
        # torch.jit is deprecated; what was published in that form stays as it is.
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        program = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    state: Mapping[str, Tensor] = program.state_dict()
    return state


def mistaken_for(path: Path) -> str:
    """What a file is that can be no checkpoint, in words that complete "it is ..."; "" else.

    Checkpoints are binary: a text is a server's answer, a page, or a pointer to the file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "an empty file"
    packed = next((name for magic, name in _PACKED.items() if head.startswith(magic)), "")
    if packed:
        return f"a {packed} archive, to be unpacked"
    if zipfile.is_zipfile(path):
        return _zip_mistaken(path)
    return describe_text(head)


def _zip_mistaken(path: Path) -> str:
    """A zip archive that torch did not write."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return "a damaged zip archive"
    if any(name.endswith(("data.pkl", "constants.pkl")) for name in names):
        return ""
    return f"a zip archive of {len(names)} files ({', '.join(names[:5])}), to be unpacked"


@lru_cache(maxsize=256)
def _sha256(path: Path, state: str) -> str:
    """``state`` is part of the key: a changed file is read again."""
    return file_sha256(path)
