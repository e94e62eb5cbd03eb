"""CNNDetection: parity with the authors' numbers, the published augmentation."""

from __future__ import annotations

import numpy as np
import torch

from baselines._backbones import resnet50
from baselines.cnndetection import SPEC, build
from harness.data.preprocess import parse, to_tensor
from tests.conftest import noise
from tests.goldens.rules import fill
from tests.goldens.stored import (
    checked_stages,
    close,
    golden,
    keys,
    keys_of,
    preprocessing_is_exact,
)


def test_keys_are_the_published_ones() -> None:
    with torch.device("meta"):
        network = build().network
    state = network.state_dict()
    assert keys_of(state) == keys("cnndetection")
    assert sum(p.numel() for p in network.parameters()) == 23_510_081


def test_goldens_with_and_without_the_crop() -> None:
    gold = golden("cnndetection")
    detector = fill(build())
    images = torch.stack([to_tensor(image) for image in gold["images_u8"]])
    with torch.no_grad():
        crops = torch.from_numpy(gold["input"])
        close(checked_stages(detector.network, crops, gold), gold["logits"])
        close(detector.score(images)[:, None], gold["logits_nocrop256"])
        close(detector.embed(images[:1, :, 16:240, 16:240]), gold["pooled"][:1])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("cnndetection", SPEC, "forensynths")


def test_first_weights_of_the_classifier_are_the_published_normal() -> None:
    torch.manual_seed(0)
    classifier = build().network.fc
    assert abs(classifier.weight.std().item() - 0.02) < 0.002
    assert classifier.bias.item() == 0


def test_training_starts_from_imagenet_but_for_the_classifier() -> None:
    torch.manual_seed(0)
    state = {n: v for n, v in resnet50(1000).state_dict().items() if not n.startswith("fc.")}
    detector = build()
    classifier = detector.network.fc.weight.detach().clone()
    detector.start_from(state)
    loaded = detector.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    assert torch.equal(detector.network.fc.weight, classifier)
    assert set(loaded) - set(state) == {"fc.weight", "fc.bias"}


def test_training_images_are_blurred_or_compressed_in_three_of_four_cases() -> None:
    assert SPEC.recipe is not None
    steps = [str(step) for step in parse(SPEC.recipe.train_preprocess).steps]
    assert steps == [
        "resize(256)",
        "gaussian_blur(0.5,0.0,3.0)",
        "jpeg(0.5,30,100)",
        "random_crop(224)",
        "hflip(0.5)",
    ]
    altering = parse("|".join(steps[1:3]))
    image, rng = noise(0), np.random.default_rng(0)
    same = sum(np.array_equal(altering.apply(image, rng), image) for _ in range(300))
    assert 50 < same < 100
