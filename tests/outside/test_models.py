"""Networks that others keep: of transformers, as an ONNX graph, timm's with a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from harness.__main__ import main
from harness.api.torchvision import ensure_torchvision
from harness.results.predictions import read_predictions
from harness.results.store import load_records
from tests.conftest import write_images


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "photos" / "0_real", range(2), 70, 50)
    write_images(tmp_path / "photos" / "1_fake", range(2, 4), 64, 64)
    return tmp_path


def run(method: str, *more: str, out: str = "runs") -> int:
    arguments = ["run", "--method", method, "--images", "photos", "--out", out, "--resamples", "0"]
    return main([*arguments, *more])


def scores(out: str = "runs") -> list[float]:
    (file,) = (Path(out) / "predictions").rglob("*.parquet")
    found: list[float] = read_predictions(file).scores.tolist()
    return found


def pictures() -> list[Image.Image]:
    """In the order of the manifest."""
    files = [*sorted(Path("photos/0_real").glob("*")), *sorted(Path("photos/1_fake").glob("*"))]
    return [Image.open(file).convert("RGB") for file in files]


# --- transformers ---------------------------------------------------------------------------------


def save_vit(folder: Path, labels: tuple[str, ...]) -> Any:
    """A tiny ViT with its image processor, as ``save_pretrained`` leaves it."""
    ensure_torchvision()
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    network = transformers.ViTForImageClassification(config).eval()
    nn.init.normal_(network.classifier.weight)
    network.save_pretrained(folder)
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    return network, processor


def logits(network: Any, processor: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = network(**processor(images=pictures(), return_tensors="pt")).logits
    return found


@pytest.mark.parametrize("fake_first", [True, False])
def test_a_classifier_by_its_own_processor_and_labels(place: Path, fake_first: bool) -> None:
    labels = ("artificial", "human") if fake_first else ("human", "artificial")
    found = logits(*save_vit(place / "vit", labels))
    assert run("hf:vit") == 0
    expected = (found[:, 0] - found[:, 1]) * (1 if fake_first else -1)
    assert scores() == pytest.approx(expected.tolist(), abs=1e-5)
    (record,) = load_records(place / "runs")
    assert record.origin is not None
    assert (record.origin.kind, record.origin.facts["fake"]) == ("hf", "artificial")
    assert "sha256 of model.safetensors" in record.origin.facts


def test_several_labels_may_mean_fake(place: Path) -> None:
    found = logits(*save_vit(place / "vit", ("real photo", "AI (SDXL)", "deepfake")))
    assert run("hf:vit") == 0
    share = found.double().softmax(1)[:, 1:].sum(1)
    assert scores() == pytest.approx(torch.logit(share).tolist(), abs=1e-5)


def test_labels_that_leave_a_doubt_are_asked_for(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = logits(*save_vit(place / "vit", ("LABEL_0", "LABEL_1")))
    assert run("hf:vit") == 2
    assert "which of its labels means fake? It has LABEL_0, LABEL_1" in capsys.readouterr().err
    assert run("hf:vit", "--fake-label", "LABEL_0") == 0
    assert scores() == pytest.approx((found[:, 0] - found[:, 1]).tolist(), abs=1e-5)


def test_a_label_of_the_data_does_not_turn_a_classifier_whose_names_are_clear(place: Path) -> None:
    found = logits(*save_vit(place / "vit", ("fake", "real")))
    assert run("hf:vit", "--fake-label", "1") == 0  # in a table's column 1 may mean fake
    assert scores() == pytest.approx((found[:, 0] - found[:, 1]).tolist(), abs=1e-5)


@pytest.mark.parametrize("side", ["real or fake", "unreal"])
def test_a_word_that_is_both_or_neither_is_a_doubt(
    place: Path, side: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_vit(place / "vit", ("human", side))
    assert run("hf:vit") == 2
    assert "which of its labels means fake" in capsys.readouterr().err


def test_code_and_pickles_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_vit(place / "vit", ("real", "fake"))
    config = json.loads((place / "vit/config.json").read_text())
    (place / "vit/config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "x.Y"}}))
    assert run("hf:vit") == 3
    assert "brings code of its own" in capsys.readouterr().err
    (place / "vit/config.json").write_text(json.dumps(config))
    (place / "vit/model.safetensors").rename(place / "vit/pytorch_model.bin")
    assert run("hf:./vit") == 3
    assert "has no *.safetensors" in capsys.readouterr().err


def test_weights_that_do_not_fit_are_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import load_file, save_file

    save_vit(place / "vit", ("real", "fake"))
    state = load_file(place / "vit/model.safetensors")
    del state["classifier.weight"]
    save_file(state, place / "vit/model.safetensors", {"format": "pt"})
    assert run("hf:vit") == 1
    assert "its weights do not fit its network" in capsys.readouterr().err


def test_what_cannot_be_fetched_says_so(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(place))
    assert run("hf:somebody/something@main") == 3
    assert "hf:somebody/something@main: cannot be fetched" in capsys.readouterr().err


# --- ONNX -----------------------------------------------------------------------------------------


class Graph(nn.Module):
    def __init__(self, outputs: int, last: bool) -> None:
        super().__init__()
        torch.manual_seed(outputs)
        self.conv = nn.Conv2d(3, 4, 3)
        self.linear = nn.Linear(4, outputs)
        self.last = last

    def forward(self, images: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2) if self.last else images
        found: Tensor = self.linear(self.conv(x).mean((2, 3)))
        return found


def toml(**entries: Any) -> str:
    said = {
        "preprocess": "resize(40,40)",
        "mean": [0.5, 0.4, 0.3],
        "std": [0.5, 0.25, 0.2],
        "layout": "NCHW",
        "fake": 1,
        "kind": "logit",
        **entries,
    }
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in said.items())


def save_graph(file: Path, outputs: int = 2, *, last: bool = False, free: bool = False) -> Graph:
    pytest.importorskip("onnxruntime")
    graph = Graph(outputs, last).eval()
    example = torch.rand(1, 40, 40, 3) if last else torch.rand(1, 3, 40, 40)
    axes = {"x": {0: "n", 2: "h", 3: "w"}} if free else {"x": {0: "n"}}
    with pytest.warns(DeprecationWarning):
        torch.onnx.export(
            graph, (example,), file, input_names=["x"], dynamic_axes=axes, dynamo=False
        )
    return graph


def seen(size: tuple[int, int] | None = (40, 40)) -> list[Tensor]:
    """What the graph is to see: Pillow's bilinear, then the TOML's statistics."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.5, 0.4, 0.3), (0.5, 0.25, 0.2)))
    found = []
    for image in pictures():
        pixels = np.asarray(image.resize(size, Image.Resampling.BILINEAR) if size else image)
        found.append((torch.from_numpy(pixels.copy()).movedim(-1, 0).float() / 255 - mean) / std)
    return found


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("batch", ["1", "4"])
def test_a_graph_sees_what_its_toml_says(place: Path, last: bool, batch: str) -> None:
    graph = save_graph(place / "net.onnx", last=last)
    (place / "net.toml").write_text(toml(layout="NHWC" if last else "NCHW"))
    assert run("onnx:net.onnx", "--batch-size", batch) == 0
    images = torch.stack(seen())
    with torch.no_grad():
        found = graph(images.permute(0, 2, 3, 1) if last else images)
    assert scores() == pytest.approx((found[:, 1] - found[:, 0]).tolist(), abs=1e-4)


def test_native_sizes_and_one_output(place: Path) -> None:
    graph = save_graph(place / "net.onnx", 1, free=True)
    (place / "net.toml").write_text(
        toml(preprocess="native", fake=0, kind="uncalibrated", threshold=0.1)
    )
    assert run("onnx:net.onnx") == 0
    with torch.no_grad():
        found = [graph(image[None]).item() for image in seen(None)]
    assert scores() == pytest.approx(found, abs=1e-4)
    (record,) = load_records(place / "runs")
    assert (record.threshold, record.score_kind) == (0.1, "uncalibrated")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"layout": "HWC"}, "layout = 'HWC'"),
        ({"std": [1, 0, 1]}, "std has a 0"),
        ({"kind": "uncalibrated"}, "absent or unknown: threshold"),
        ({"scale": 255}, "absent or unknown: scale"),
        ({"fake": 7}, "the graph has 2 outputs, its TOML says fake = 7"),
        ({"preprocess": "native"}, "the graph takes 40x40"),
        ({"preprocess": "shrink(3)"}, "unknown operation 'shrink'"),
    ],
)
def test_a_toml_that_is_wrong(
    place: Path, entries: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_graph(place / "net.onnx")
    (place / "net.toml").write_text(toml(**entries))
    assert run("onnx:net.onnx") != 0
    assert said in capsys.readouterr().err


def test_a_file_that_is_no_graph(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    (place / "net.onnx").write_bytes(b"no graph")
    (place / "net.toml").write_text(toml())
    assert run("onnx:net.onnx") == 3
    assert "ONNX Runtime cannot load it" in capsys.readouterr().err


def test_a_graph_without_a_toml_shows_one(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_graph(place / "net.onnx")
    assert run("onnx:net.onnx") == 3
    assert 'layout = "NCHW"' in capsys.readouterr().err


# --- timm -----------------------------------------------------------------------------------------


def save_backbone(file: str, outputs: int) -> nn.Module:
    ensure_torchvision()
    import timm

    torch.manual_seed(0)
    network: nn.Module = timm.create_model("test_resnet", num_classes=outputs).eval()
    torch.save(network.state_dict(), file)
    return network


def backbone_logits(network: nn.Module) -> Tensor:
    """As timm's own evaluation transform has it."""
    import timm.data

    settings = timm.data.resolve_data_config({}, model=network)
    transform = timm.data.create_transform(**settings)
    with torch.no_grad():
        found: Tensor = network(torch.stack([transform(image) for image in pictures()]))
    return found


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_backbone_as_timm_evaluates_it(place: Path, outputs: int) -> None:
    found = backbone_logits(save_backbone("net.pth", outputs))
    flags = ("--fake-label", "0") if outputs == 2 else ()
    assert run("timm:test_resnet", "--weights", "net.pth", *flags) == 0
    expected = found[:, 0] - found[:, 1] if outputs == 2 else found[:, 0]
    assert scores() == pytest.approx(expected.tolist(), abs=2e-3)


@pytest.mark.parametrize(
    ("method", "flags", "said"),
    [
        ("timm:test_resnet", (), "is nothing without a checkpoint"),
        ("timm:test_resnet", ("--weights", "net.pth"), "two outputs; which one means fake?"),
        ("timm:test_resnet", ("--weights", "net.pth", "--fake-label", "2"), "expected 0 or 1"),
        ("timm:test_resmet", ("--weights", "net.pth"), "unknown network of timm"),
    ],
)
def test_what_a_backbone_needs(
    place: Path, method: str, flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_backbone("net.pth", 2)
    assert run(method, *flags) != 0
    assert said in capsys.readouterr().err


# --- all ------------------------------------------------------------------------------------------


def test_each_keeps_the_contract_and_has_a_row_in_the_tables(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_vit(place / "vit", ("real", "fake"))
    save_graph(place / "net.onnx")
    (place / "net.toml").write_text(toml())
    assert main(["dev", "contract", "hf:vit", "onnx:net.onnx", "timm:test_resnet"]) == 0
    assert "FAIL" not in capsys.readouterr().out
    arguments = ["run", "--method", "hf:vit,onnx:net.onnx", "--suite", "mini", "--limit", "2"]
    assert main([*arguments, "--resamples", "0"]) == 0
    assert main(["tables", "--to", "tables"]) == 0
    text = Path("tables/mini-all.md").read_text()
    assert "vit" in text
    assert "net" in text
    capsys.readouterr()
    assert main(["compare", "onnx:net.onnx", "hf:vit"]) == 2  # of a limited run there is no row
    assert "no scored row" in capsys.readouterr().err
    assert main(["cost", "--method", "hf:vit,onnx:net.onnx", "--repeats", "0"]) == 0
    assert "7,890" in capsys.readouterr().out
