"""Files of checkpoints: what is read, what is refused, and that nothing in them is run."""

from __future__ import annotations

import datetime
import hashlib
import os
import random
import warnings
import zipfile

import pytest
import safetensors.torch
import torch
from torch import nn

from harness.api import Weights
from harness.checkpoints.files import read_files, read_state, sha256_of
from harness.errors import WeightsError


def state():
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(shape, generator=generator)
        for name, shape in {"conv.weight": (2, 3, 1, 1), "fc.weight": (1, 2), "fc.bias": 1}.items()
    }


def save(path, content):
    torch.save(content, path)
    return path


def same(given, expected):
    assert given.keys() == expected.keys()
    assert all(torch.equal(given[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"model": s, "optimizer": {"lr": 0.1}, "total_steps": 3},
        lambda s: {"state_dict": s, "epoch": 1},
        lambda s: {f"module.{name}": value for name, value in s.items()},
        lambda s: {"model": {f"module.{name}": value for name, value in s.items()}},
        lambda s: {name: nn.Parameter(value) for name, value in s.items()},
    ],
)
def test_what_training_scripts_wrap_around_a_state(tmp_path, wrap):
    read = read_state(save(tmp_path / "a.pth", wrap(state())))
    same(read, state())
    assert not any(value.requires_grad for value in read.values())


def test_the_entry_that_holds_the_tensors_is_named(tmp_path):
    path = save(tmp_path / "a.pth", {"net": state(), "val_loss": 0.5})
    same(read_state(path, inside="net"), state())
    same(read_state(save(path, {"net": {"state_dict": state()}}), inside="net"), state())
    with pytest.raises(WeightsError, match=r"expected the tensors in an entry 'ema', it has net"):
        read_state(path, inside="ema")
    with pytest.raises(WeightsError, match=r"an entry 'net', it has no entries"):
        read_state(save(path, torch.ones(2)), inside="net")


def test_a_file_that_is_one_tensor_has_the_empty_name(tmp_path):
    stored = torch.rand(3, 2, 2, dtype=torch.float64)
    same(read_state(save(tmp_path / "dct_mean", stored)), {"": stored})


def archive(path):
    """A TorchScript archive with a number beside its weights, as OpenAI's has."""
    network = nn.Linear(2, 1)
    network.register_buffer("input_resolution", torch.tensor(224))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        torch.jit.trace(network, torch.zeros(1, 2)).save(str(path))
    return dict(network.state_dict())


def test_an_archive_is_read_only_when_it_is_verified(tmp_path, monkeypatch):
    path = tmp_path / "ViT.pt"
    stored = archive(path)
    same(read_state(path, verified=True), stored)
    monkeypatch.setattr(torch.jit, "load", lambda *_: pytest.fail("the program was loaded"))
    with pytest.raises(WeightsError, match=r"TorchScript archive.*could run code") as caught:
        read_state(path)
    assert sha256_of(path) in caught.value.message
    assert "torch.save(network.state_dict(), PATH)" in caught.value.hint


@pytest.mark.parametrize(("known", "read"), [(64, True), (8, False), (0, False)])
def test_an_entry_verifies_an_archive_by_its_whole_digest_only(tmp_path, known, read):
    path = tmp_path / "ViT.pt"
    stored = archive(path)
    weights = Weights(
        name="openai",
        filename=path.name,
        url="https://example.org/ViT.pt",
        sha256=sha256_of(path)[:known],
        size=0,
        licence="MIT",
        trained_on="pictures",
        mapping=lambda name: None if name == "input_resolution" else f"head.{name}",
    )
    if read:
        same(
            read_files(weights, [path]),
            {"head.weight": stored["weight"], "head.bias": stored["bias"]},
        )
    else:
        with pytest.raises(WeightsError, match="TorchScript archive"):
            read_files(weights, [path])


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_code_in_a_checkpoint_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = save(tmp_path / "bomb.pth", {"model": Bomb()})
    with pytest.raises(WeightsError, match="loading it could run code"):
        read_state(path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
def test_damaged_files(tmp_path, name, damage):
    path = tmp_path / name
    if name.endswith(".pth"):
        torch.save(state(), path)
    else:
        safetensors.torch.save_file(state(), path)
    whole = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "text": b"<html>404</html>", "cut": whole[: len(whole) // 2]}[damage]
    )
    with pytest.raises(WeightsError, match=name):
        read_state(path)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:3939\nsize 17393733\n"


@pytest.mark.parametrize("name", ["NPR.pth", "NPR.safetensors", "NPR.pt"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"error code: 522", "it is text: 'error code: 522'"),
        (b"Quota exceeded\n\nSorry", "it is text: 'Quota exceeded'"),
        ("\ufeffNicht gefunden: é".encode(), "it is text: 'Nicht gefunden: é'"),
        (b"<!DOCTYPE html><html>Google Drive - Virus scan</html>", "it is a web page"),
        (b"\n  <html>404</html>", "it is a web page"),
        (b"", "it is an empty file"),
        (LFS, "it is a pointer of git LFS"),
        (b"\x1f\x8b\x08\x00", "it is a gzip archive, to be unpacked"),
        (b"{" + b"x" * 2000 + b"}", r"it is text: '\{x{59}\.\.\.'"),
        (b"a" * 1023 + "é".encode() * 9, "it is text"),  # a character on the edge of what is read
    ],
)
def test_what_a_download_gave_in_place_of_a_checkpoint_is_named(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"{name}: no checkpoint: {said}") as caught:
        read_state(path)
    assert "weights_only" not in str(caught.value)


def test_an_archive_of_checkpoints_is_to_be_unpacked(tmp_path):
    path = tmp_path / "method_A.pth"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("weights/method_A.pth", b"x")
        packed.writestr("weights/method_B.pth", b"x")
    with pytest.raises(WeightsError, match=r"a zip archive of 2 files \(weights/method_A\.pth"):
        read_state(path)


def test_torchs_advice_to_read_unsafely_is_not_passed_on(tmp_path):
    path = save(tmp_path / "a.pth", {"model": state(), "trained": datetime.date(2024, 1, 1)})
    with pytest.raises(WeightsError, match=r"holds datetime\.date beside tensors") as caught:
        read_state(path)
    assert "weights_only" not in str(caught.value)
    assert "torch.save(network.state_dict(), PATH)" in caught.value.hint


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_byte_ends_in_words_never_in_a_traceback(tmp_path, seed):
    draw = random.Random(seed)
    path = tmp_path / "a.pth"
    torch.save(state(), path, _use_new_zipfile_serialization=bool(seed % 2))
    content = bytearray(path.read_bytes())
    for _ in range(20):
        content[draw.randrange(min(len(content), 400))] = draw.randrange(256)
    path.write_bytes(content)
    try:
        read_state(path)
    except WeightsError as error:
        assert str(path) in error.message and "weights_only" not in str(error)


@pytest.mark.parametrize("content", [{}, [torch.zeros(1)], {"a": 1}, {3: torch.zeros(1)}])
def test_files_that_hold_no_state(tmp_path, content):
    with pytest.raises(WeightsError, match="expected"):
        read_state(save(tmp_path / "a.pth", content))


def test_a_changed_file_is_hashed_again(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    first = sha256_of(path)
    path.write_bytes(b"other")
    assert sha256_of(path) == hashlib.sha256(b"other").hexdigest() != first
