"""F3-Net: parity with the two re-implementations, published layouts, bands, other sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.fft
import torch

from baselines import _backbones, _frequency, _spectrum, _xception
from baselines.f3net import DEEPFAKEBENCH, SPEC, build, build_deepfakebench, from_published
from harness.cost.count import count_module
from harness.data.preprocess import parse, to_tensor
from harness.engine.accelerate import accelerate
from tests.goldens.stored import close, golden, preprocessing_is_exact, published


def loaded(name: str) -> tuple[Any, Any]:
    options = {"f3net": build, "f3net_both": lambda: build(local=True)}
    detector = options.get(name, build_deepfakebench)()
    detector.load_state_dict(published(name))
    detector.module.eval()
    return detector, golden(name)


def test_goldens_of_fad() -> None:
    detector, gold = loaded("f3net")
    images = torch.from_numpy(gold["input"]) / 2 + 0.5
    with torch.no_grad():
        features = detector.embed(images)
        close(features, gold["feat_chirp"])
        close(detector.network.fc(features), gold["logits_chirp"])


def test_goldens_of_both_branches() -> None:
    detector, gold = loaded("f3net_both")
    with torch.no_grad():
        logits = detector.network(torch.from_numpy(gold["input"]))
    np.testing.assert_allclose(logits, gold["logits_chirp"], rtol=1e-3, atol=1e-3)


def test_goldens_of_deepfakebench() -> None:
    detector, gold = loaded("f3net_dfb")
    images = torch.from_numpy(gold["input"]) / 2 + 0.5
    with torch.no_grad():
        close(detector.module(images), gold["logits_chirp"])
        close(detector.score(images).sigmoid(), gold["prob_chirp"])


def test_preprocessing_reaches_the_stored_tensors() -> None:
    preprocessing_is_exact("f3net", SPEC, "diffusion", atol=1e-6)


def test_deepfakebench_resizes_with_another_filter_than_ours() -> None:
    gold = golden("f3net_dfb")
    ours = to_tensor(parse(DEEPFAKEBENCH.preprocess_for("diffusion"))(gold["images_u8"][0]))
    gap = np.abs(ours.numpy() * 2 - 1 - gold["input"][0])
    assert 0.01 < gap.max() < 0.06


def tiny_published(side: int = 16) -> dict[str, torch.Tensor]:
    head = {"FAD_head._DCT_all": _spectrum.dct_matrix(side, torch.empty(0))}
    head["FAD_head._DCT_all_T"] = _spectrum.dct_matrix(side, torch.empty(0)).T.contiguous()
    for number, mask in enumerate(_frequency.band_masks(side, _frequency.fad_bands(side))):
        head[f"FAD_head.filters.{number}.base"] = mask
        head[f"FAD_head.filters.{number}.learnable"] = torch.full((side, side), float(number))
    return {
        **head,
        "FAD_xcep.bn1.weight": torch.ones(2),
        "FAD_xcep.fc.weight": torch.ones(3),
        "fc.weight": torch.ones(4),
        "surprise": torch.ones(5),
    }


def test_published_names_become_ours_and_unknown_ones_stay() -> None:
    own = from_published(tiny_published())
    assert sorted(own) == ["fad", "fad_trunk.bn1.weight", "fc.weight", "surprise"]
    assert own["fad"][:, 0, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("FAD_head.filters.1.base", torch.zeros(16, 16), "not the constant"),
        ("FAD_head.filters.1.base", None, "is missing"),
        ("FAD_head._DCT_all_T", torch.zeros(8, 8), "of another size"),
        ("FAD_head.filters.2.learnable", None, "learnable is missing"),
    ],
)
def test_other_constants_are_refused(entry: str, value: Any, message: str) -> None:
    state = tiny_published()
    del state[entry]
    if value is not None:
        state[entry] = value
    with pytest.raises(RuntimeError, match=message):
        from_published(state)


def test_unknown_entries_are_refused() -> None:
    state = published("f3net")
    with pytest.raises(RuntimeError, match="surprise"):
        build().load_state_dict({**state, "FAD_xcep.surprise": torch.zeros(1)})


def test_dct_is_scipys() -> None:
    values = np.random.default_rng(0).random((11, 11))
    basis = _spectrum.dct_matrix(11, torch.empty(0)).double().numpy()
    expected = scipy.fft.dctn(values, norm="ortho")
    np.testing.assert_allclose(basis @ values @ basis.T, expected, atol=1e-6)


def test_bands_are_the_cards() -> None:
    assert _frequency.fad_bands(299) == ((0, 106), (106, 149), (149, 598), (0, 598))
    assert _frequency.fad_bands(256) == ((0, 90), (90, 128), (128, 512), (0, 512))
    masks = _frequency.band_masks(10, _frequency.lfs_bands())
    assert masks.sum((1, 2)).tolist() == [10, 18, 36, 30, 12, 3]
    assert masks.sum(0)[0].tolist() == [1] * 10  # with such edges no diagonal is shared but ...
    assert masks.sum(0)[9, 1] == 2  # ... the one at exactly 10


def test_the_whole_band_gives_the_picture_back() -> None:
    images = torch.rand(2, 3, 24, 24) * 2 - 1
    parts = _frequency.decompose(images, torch.zeros(4, 24, 24))
    assert parts.shape == (2, 12, 24, 24)
    torch.testing.assert_close(parts[:, 9:], images)
    smooth = torch.linspace(-1, 1, 24).expand(1, 3, 24, 24)
    low, middle, high, _ = _frequency.decompose(smooth, torch.zeros(4, 24, 24)).chunk(4, 1)
    assert low.std() > 20 * middle.std() > 0
    assert high.std() < 0.05 * low.std()


def test_learned_masks_keep_their_frequency_at_another_side() -> None:
    learned = torch.full((4, 32, 32), -50.0)
    learned[3, :, :16] = 50.0  # lower half of the horizontal frequencies: base 1 + 1, else 1 - 1
    x = torch.arange(48)
    slow = torch.cos(torch.pi * (x + 0.5) * 10 / 48).expand(1, 3, 48, 48)
    fast = torch.cos(torch.pi * (x + 0.5) * 40 / 48).expand(1, 3, 48, 48)
    torch.testing.assert_close(
        _frequency.decompose(slow, learned)[:, 9:], 2 * slow, atol=1e-4, rtol=0
    )
    torch.testing.assert_close(
        _frequency.decompose(fast, learned)[:, 9:], 0 * fast, atol=1e-4, rtol=0
    )


def test_local_statistics_by_hand() -> None:
    images = torch.rand(1, 3, 20, 20) * 2 - 1
    got = _frequency.local_statistics(images, torch.zeros(6, 10, 10))
    assert got.shape == (1, 6, 10, 10)
    assert _frequency.local_statistics(torch.zeros(1, 3, 299, 299), torch.zeros(6, 10, 10)).shape[
        2:
    ] == (149, 149)
    red, green, blue = images[0].double().numpy()
    gray = (0.299 * red + 0.587 * green + 0.114 * blue + 1) * 122.5
    window = gray[4:14, 4:14]  # the fifth window starts at 2 x 4 - 4 = 4
    energy = np.log10(np.abs(scipy.fft.dctn(window, norm="ortho")) + 1e-15)
    i, j = np.mgrid[:10, :10]
    band = (i + j >= 10 / 3) & (i + j <= 20 / 3)
    assert got[0, 1, 4, 4].item() == pytest.approx(energy[band].mean(), rel=1e-3)


def test_the_fast_form_is_made_and_equal(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    detector = build()
    detector.module.eval()
    with torch.no_grad():
        detector.network.fc.weight.mul_(1e5)  # untrained features are tiny
    images = torch.rand(1, 3, 64, 64)
    function = accelerate(detector, device=torch.device("cpu"))
    assert not caplog.records
    with torch.no_grad():
        expected = detector.score(images).double()
    assert abs(expected.item()) > 0.1
    torch.testing.assert_close(function(images), expected, atol=1e-4, rtol=1e-4)


def xception_of_1000_classes() -> dict[str, torch.Tensor]:
    mapping = _xception.IMAGENET.mapping
    assert mapping is not None
    published = _backbones.xception(1000).state_dict()
    return {own: value for name, value in published.items() if (own := mapping(name))}


def test_training_starts_every_branch_from_one_xception() -> None:
    torch.manual_seed(0)
    state = xception_of_1000_classes()
    detector = build(local=True)
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    detector.start_from(state)
    after = detector.state_dict()
    for trunk, copies in (("fad_trunk", 4), ("lfs_trunk", 2)):
        stem = after[f"{trunk}.conv1.weight"]
        assert torch.equal(stem, torch.cat([state["conv1.weight"] / copies] * copies, 1))
        for name, value in state.items():
            assert name == "conv1.weight" or torch.equal(after[f"{trunk}.{name}"], value), name
        assert {n.removeprefix(f"{trunk}.") for n in after if n.startswith(trunk)} == set(state)
    for name in ("fad", "lfs", "fc.weight", "fc.bias"):
        assert torch.equal(after[name], before[name])


def test_copies_of_a_picture_excite_the_spread_stem_as_one_does_the_plain_stem() -> None:
    torch.manual_seed(0)
    kernel, x = torch.randn(5, 3, 3, 3), torch.rand(1, 3, 8, 8)
    plain = torch.nn.functional.conv2d(x, kernel)
    spread = torch.nn.functional.conv2d(x.repeat(1, 4, 1, 1), _xception.spread(kernel, 12))
    torch.testing.assert_close(spread, plain, rtol=1e-4, atol=1e-5)


def test_a_start_of_another_network_is_refused() -> None:
    with pytest.raises(RuntimeError, match="'layer1"):
        build().start_from({"layer1.weight": torch.zeros(1)})
    with pytest.raises(RuntimeError, match="size mismatch"):
        build().start_from({"bn1.weight": torch.zeros(5)})


def test_training_moves_the_masks_and_follows_the_generator() -> None:
    torch.manual_seed(0)
    detector = build(local=True)
    images, labels = torch.rand(2, 3, 32, 32), torch.tensor([0.0, 1.0])
    detector.module.train()
    losses = [
        detector.loss(images, labels, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    ]
    assert losses[0].item() == losses[1].item() != losses[2].item()
    losses[0].backward()
    for learned in (detector.network.fad, detector.network.lfs):
        assert learned is not None
        assert learned.grad is not None
        assert learned.grad.abs().sum() > 0


def test_cost_is_the_cards() -> None:
    counts = count_module(build().module, (1, 3, 299, 299))
    assert round(counts.macs / 1e9, 3) == 8.990
    assert round(counts.by_operator["matmul"] / 1e9, 3) == 0.535
    # The card's 21.708 M hold the constants (6 x 299 x 299) and Xception's unused classifier.
    assert counts.parameters + 6 * 299**2 + 2049 == pytest.approx(21.708e6, abs=500)


@pytest.mark.parametrize(
    ("height", "width", "fine"),
    [(32, 32, True), (299, 299, True), (31, 31, False), (64, 65, False)],
)
def test_sizes_as_stated(height: int, width: int, fine: bool) -> None:
    assert (SPEC.input_rule.problem(height, width) == "") is fine
