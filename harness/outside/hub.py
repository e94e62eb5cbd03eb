"""An image classifier of ``transformers``: ``hf:OWNER/NAME[@REVISION]`` or ``hf:FOLDER``."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from harness.api import DetectorSpec, ScoreSpec
from harness.api.torchvision import ensure_torchvision
from harness.errors import DataError, UsageError, WeightsError
from harness.installed import install_hint
from harness.outside.declared import CITATION, NOTES, Declared, Outsider, origin
from harness.outside.function import named
from harness.outside.labels import fake_logit, fake_outputs

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
FILES = ("*.json", "*.safetensors")


class HubNetwork(nn.Module):
    """A classifier as one number an image.

    Args:
        network: of transformers.
        fakes: its outputs that mean fake.
    """

    def __init__(self, network: Any, fakes: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.fakes = network, fakes

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W), as the processor gives them -> (N,) logits of fake."""
        return fake_logit(self.network(pixel_values=pixels).logits, self.fakes)


class HubDetector:
    """A classifier behind its own image processor.

    Args:
        folder: of its files.
        fakes: its outputs that mean fake.
    """

    no_places = "nobody says which of its maps is a map of the picture"

    def __init__(self, folder: Path, fakes: tuple[int, ...]) -> None:
        transformers = _transformers()
        network, report = transformers.AutoModelForImageClassification.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
        wrong = {name: sorted(map(str, found)) for name, found in report.items() if found}
        if wrong:
            raise WeightsError(f"hf:{folder}: its weights do not fit its network: {wrong}")
        self.module = HubNetwork(network.eval(), fakes)
        self._processor = transformers.AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )

    def score(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], which are 8-bit values -> (N,) logits of fake."""
        pixels = (images.cpu() * 255).round().to(torch.uint8).movedim(1, -1).contiguous().numpy()
        made = self._processor(images=[*map(Image.fromarray, pixels)], return_tensors="pt")
        scores: Tensor = self.module(made["pixel_values"].to(images.device))
        return scores


def hub_detector(place: str, declared: Declared) -> Outsider:
    """What ``hf:`` names.

    Raises:
        UsageError: the extra is missing, or nobody says which label is fake.
        WeightsError: it is no image classifier in safetensors, or brings code of its own.
    """
    _transformers()
    text = f"hf:{place}"
    _refuse_declared(text, declared)
    folder, revision = _folder(place)
    config = _config(folder, text)
    labels = _labels(folder, text)
    fakes = fake_outputs(text, labels, declared.fake_label)
    if len(fakes) == len(labels):
        raise UsageError(f"{text}: all of its labels mean fake: {', '.join(labels)}")
    weights = sorted(folder.glob("*.safetensors"))
    files = [folder / CONFIG, folder / PROCESSOR, *weights]
    said = ", ".join(labels[n] for n in fakes)
    name = place.partition("@")[0] if revision else folder.name
    side = _side(folder)
    spec = DetectorSpec(
        name=named("hf", name),
        title=name.rpartition("/")[2],
        family="transformers",
        build=lambda: HubDetector(folder, fakes),
        score=ScoreSpec(kind="logit", threshold=0.0, published_ap="ap"),
        geometry={"*": "native"},
        evaluation_size=(side, side),
        citation=CITATION,
        notes=NOTES,
    )
    known = {"revision": revision, "network": ", ".join(config.get("architectures") or ())}
    comes = origin("hf", text, {f.name: f for f in files if f.exists()}, {"fake": said}, known)
    return Outsider(spec=spec, origin=comes, declared=declared)


def _transformers() -> Any:
    ensure_torchvision()  # transformers imports it
    try:
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise UsageError(
            "hf: needs the extra 'hf', which is not installed",
            hint=install_hint("hf"),
        ) from error
    transformers.utils.logging.disable_progress_bar()  # the harness has one
    return transformers


def _refuse_declared(text: str, declared: Declared) -> None:
    """UsageError for flags that say what a classifier's logits are anyway."""
    if declared.kind or declared.takes or declared.lower_is_fake or declared.threshold is not None:
        raise UsageError(
            f"{text}: its scores are logits of its label, larger = more fake, threshold 0",
            hint="leave out --kind, --threshold, --lower-is-fake and --takes",
        )


def _folder(place: str) -> tuple[Path, str]:
    """The folder with the files, and the commit that they are of, "" for a folder given."""
    path = Path(place).expanduser()
    if path.is_dir():
        return path.resolve(), ""
    name, _, revision = place.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise DataError(f"hf:{place}: there is no such folder, and it is no OWNER/NAME")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        found = Path(snapshot_download(name, revision=revision or None, allow_patterns=[*FILES]))
    except (HfHubHTTPError, ValueError, OSError) as error:  # not there, refused, offline
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"hf:{place}: cannot be fetched: {first}",
            hint="for a gated one set HF_TOKEN; offline, give its folder: hf:FOLDER",
        ) from error
    return found, found.name


def _config(folder: Path, text: str) -> dict[str, Any]:
    """Its config; WeightsError for what is not read here."""
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{text}: no readable {CONFIG}: {error}") from error
    processor = folder / PROCESSOR
    if not processor.exists():
        raise WeightsError(f"{text}: it has no {PROCESSOR}, so nobody knows what it wants to see")
    told = (config, json.loads(processor.read_text(encoding="utf-8")))
    if any("auto_map" in each for each in told):
        raise WeightsError(f"{text}: it brings code of its own, which is not run")
    if not list(folder.glob("*.safetensors")):
        raise WeightsError(f"{text}: it has no *.safetensors; other formats may run code")
    if config.get("problem_type") == "multi_label_classification":
        raise WeightsError(f"{text}: its labels do not exclude each other")
    return config


def _labels(folder: Path, text: str) -> list[str]:
    """Its outputs' names, in order."""
    config = _transformers().AutoConfig.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    labels = [str(name) for _, name in sorted(config.id2label.items())]
    if len(labels) < 2:
        raise WeightsError(f"{text}: it has {len(labels)} labels, expected two or more")
    return labels


def _side(folder: Path) -> int:
    """The side of the images that its network sees, for counting its cost."""
    config = json.loads((folder / PROCESSOR).read_text(encoding="utf-8"))
    size = config.get("crop_size") if config.get("do_center_crop") else config.get("size")
    sides = size.values() if isinstance(size, dict) else [size]
    return int(next((side for side in sides if isinstance(side, int)), 224))
