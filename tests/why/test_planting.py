"""Planted causes: numbers under known faults against facts, and whether `why` names them.

The planting code is independent of the catalogue, so it is checked against the harness here.
"""

from __future__ import annotations

import ast
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness.commands.dev import _why_bench
from harness.data.decode import decode
from harness.data.preprocess import parse
from harness.diagnosis.planted import bench as benches
from harness.diagnosis.planted import pixels
from harness.diagnosis.planted.bench import Bench, Case, PlantedTrial
from harness.diagnosis.planted.detectors import KINDS, Small, built
from harness.diagnosis.planted.foreign import FOREIGN
from harness.diagnosis.planted.measures import PLANTERS as MEASURES
from harness.diagnosis.planted.planter import fault_of
from harness.diagnosis.planted.resizes import RESIZES
from harness.diagnosis.planted.world import Images, PlantedFault, World, decoded
from harness.diagnosis.search import Effort

FOLDER = Path(benches.__file__).parent
FORBIDDEN = ("_family", "data.operations", "data.perturb", "data.preprocess", "data.decode",
             "data.resizing", "harness.metrics", "diagnosis.published", "data.opencv")  # fmt: skip


def tiny_world(scores_of=None) -> World:
    """Two subsets of noise in front of an untrained network."""
    kind = KINDS[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = built(kind).eval()
    rng = np.random.default_rng(0)
    images = {}
    for name in ("a", "b"):
        files = []
        for number in range(12):
            pixels_ = rng.integers(0, 256, (128, 128, 3)) // (1 + number % 3)
            file = io.BytesIO()
            Image.fromarray(pixels_.astype(np.uint8)).save(file, "PNG")
            files.append(file.getvalue())
        labels = (0,) * 7 + (1,) * 5
        ids = tuple(f"{label}/{number}.png" for number, label in enumerate(labels))
        images[name] = Images(ids=ids, labels=labels, files=tuple(files))
    small = Small(kind=kind, network=network, spec=None, loaded=None, others={})  # type: ignore[arg-type]
    world = World(small=small, images=images, selection=None)  # type: ignore[arg-type]
    middle = np.median(world.table()["a"].scores)
    network.fc1.bias.data -= float(middle) / kind.scale  # so that neither class has all
    world.scores.clear()
    return world


@pytest.fixture(scope="module")
def world() -> World:
    return tiny_world()


def planted(family: str, name: str) -> PlantedFault:
    fault = fault_of(benches.PLANTERS, family, name)
    assert fault is not None
    return fault


def test_the_planting_code_shares_nothing_with_the_catalogue():
    for path in FOLDER.glob("*.py"):
        if path.name == "bench.py":  # it asks the catalogue, and plants nothing
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not any(part in str(node.module) for part in FORBIDDEN), (path, node.module)


def test_labels_exchanged_turns_accuracies_round(world):
    plain, turned = world.numbers(), world.numbers(planted("labels", "labels exchanged"))
    for name in world.images:
        assert float(turned[f"{name}.acc"]) == pytest.approx(
            100 - float(plain[f"{name}.acc"]), abs=0.11
        )
        assert turned[f"{name}.real_acc"] != plain[f"{name}.real_acc"]


def test_ap_of_reals_is_that_of_the_other_output_with_labels_exchanged(world):
    reals = world.numbers(planted("metric", "AP of reals"))
    both = planted("labels", "P(real) read as P(fake)").rows
    exchanged = planted("labels", "labels exchanged").rows
    assert both is not None and exchanged is not None
    two = world.numbers(PlantedFault(rows=lambda table: exchanged(both(table))))
    assert [reals[f"{n}.ap"] for n in "ab"] == [two[f"{n}.ap"] for n in "ab"]
    assert [reals[f"{n}.acc"] for n in "ab"] == [world.numbers()[f"{n}.acc"] for n in "ab"]


def test_a_cut_number_is_never_above_the_rounded_one(world):
    plain, cut = world.numbers(), world.numbers(planted("table", "cut, not rounded"))
    assert all(0 <= float(plain[name]) - float(cut[name]) < 0.11 for name in plain)
    assert cut != plain


def test_scores_shifted_there_and_back_are_as_before(world):
    on, back = (planted("labels", f"scores one row {way}").rows for way in ("on", "back"))
    assert on is not None and back is not None
    table = world.table()
    there = on(table)["a"].scores
    assert there.tolist() == np.roll(table["a"].scores, 1).tolist() != table["a"].scores.tolist()
    assert back(on(table))["a"].scores.tolist() == table["a"].scores.tolist()


def test_ten_images_sorted_by_characters_and_by_numbers(world):
    fault = planted("labels", "scores by base names 1, 10, 2, ids by class").rows
    assert fault is not None
    scores = world.table()["a"].scores
    order = sorted(range(12), key=lambda number: f"{number}.png")
    assert fault(world.table())["a"].scores.tolist() == scores[order].tolist()
    assert order != list(range(12))
    fault = planted("labels", "scores by base names 1, 2, 10").rows
    assert fault is not None
    found = fault(world.table())["a"].scores
    assert found[order].tolist() == scores.tolist()


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("first 2 of each class", [0, 1, 7, 8]),
        ("last 2 of each class", [5, 6, 10, 11]),
        ("equal counts: first of the larger class", [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]),
        ("equal counts: last of the larger class", [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("drop_last at batches of 5", list(range(10))),
        ("first images repeated for 8 GPUs", [*range(12), 0, 1, 2, 3]),
        ("first 3 images", [0, 1, 2]),
    ],
)
def test_which_images_count(world, name, places):
    of = planted("images", name).rows
    assert of is not None
    ids = world.images["a"].ids
    assert of(world.table())["a"].ids == tuple(ids[place] for place in places)


def test_eleven_points_take_no_precision_that_no_threshold_gives(world):
    fault = planted("metric", "AP at 11 points")
    assert fault.measures is not None
    one = world.table()["a"].take([0, 1, 7])
    one = dataclasses.replace(one, scores=np.array([3.0, 2.0, 1.0]))
    assert fault.measures["ap"](one) == pytest.approx(1 / 3)


def test_what_one_class_does_not_have_is_no_number(world):
    numbers = world.numbers(planted("images", "first 3 images"))
    assert "a.acc" in numbers and "a.ap" not in numbers and "a.fake_acc" not in numbers


def test_batch_norm_of_a_batch_hangs_on_the_batch(world):
    whole, alone = (
        world.table(planted("network", f"batch_norm({size})").look)["a"].scores for size in (12, 1)
    )
    plain = world.table()["a"].scores
    assert not np.allclose(whole, alone) and not np.allclose(whole, plain)
    network = world.small.network
    assert not network.training and not any(each.training for each in network.modules())


def test_normalised_twice_is_not_once(world):
    look = planted("normalisation", "normalise(twice)").look
    assert look.normal is not None
    image = torch.full((3, 2, 2), 0.75)
    assert torch.allclose(look.normal(image, KINDS[-1]), torch.zeros(3, 2, 2))  # (0.5 - 0.5) / 0.5
    same = planted("normalisation", "normalise(half)").look
    assert np.allclose(world.table(same)["a"].scores, world.table()["a"].scores)


@pytest.mark.parametrize("whose", ["fakes only", "reals only"])
def test_a_jpeg_of_one_class_leaves_the_other(world, whose):
    scores = world.table(planted("codec", f"JPEG 75, {whose}").look)["a"].scores
    moved = scores != world.table()["a"].scores
    fakes = world.table()["a"].labels == 1
    assert moved.tolist() == (fakes if whose == "fakes only" else ~fakes).tolist()


@pytest.mark.parametrize("words", sorted(RESIZES))
def test_a_flat_picture_stays_flat_and_a_step_stays_in_place(words):
    flat = np.full((16, 12, 3), 77, np.uint8)
    for size in ((24, 31), (7, 9)):
        found = RESIZES[words](flat, *size)
        assert found.shape == (3, *size)
        assert torch.allclose(found, torch.tensor(77 / 255), atol=1e-6)
    flat[8:] = 200
    found = RESIZES[words](flat, 32, 24)
    assert found[0, 2, 0] < 100 / 255 and found[0, 29, 0] > 180 / 255


@pytest.mark.parametrize(
    ("words", "text", "most"),
    [
        ("bilinear", "resize(29,23)", 0),
        ("Lanczos", "resize_lanczos(29,23)", 0),
        ("bilinear, tensor", "resize_tensor(29,23)", 3e-3),
        ("bicubic, tensor", "resize_tensor_bicubic(29,23)", 3e-3),
        ("bicubic, tensor, anti-aliased", "resize_tensor_bicubic_smooth(29,23)", 3e-3),
        ("nearest, tensor", "resize_tensor_nearest(29,23)", 0),
        ("bilinear, OpenCV", "resize_opencv(29,23)", 0),
        ("bicubic, OpenCV", "resize_opencv_cubic(29,23)", 1),
        ("area, OpenCV", "resize_opencv_area(29,23)", 1),
        ("Lanczos, OpenCV", "resize_opencv_lanczos(29,23)", 1),
    ],
)
@pytest.mark.parametrize("size", [(17, 12), (61, 54)])
def test_resizes_by_hand_are_those_of_the_harness(words, text, most, size):
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3)).astype(np.uint8)
    ours = np.asarray(parse(text)(picture), np.float64)
    theirs = RESIZES[words](picture, 29, 23).movedim(0, -1).double().numpy() * 255
    assert abs(ours - theirs).max() <= most + 1e-4


def test_decoding_by_hand_is_that_of_the_harness(world):
    for data in world.images["a"].files[:3]:
        assert np.array_equal(decoded(data), decode(data, "x"))


def test_alpha_is_laid_on_its_ground():
    file = io.BytesIO()
    Image.fromarray(np.full((2, 2, 4), (200, 100, 0, 51), np.uint8)).save(file, "PNG")
    for colour, level in (("white", 244), ("black", 40)):
        decode_ = pixels.on_ground(colour).look.decode
        assert decode_ is not None
        assert decode_(file.getvalue())[0, 0, 0] == level


def test_two_changes_of_one_step_are_no_pair():
    jpeg, grey = planted("codec", "JPEG 75, both classes"), planted("decoding", "grey")
    with pytest.raises(ValueError, match="one step"):
        jpeg.also(grey)
    both = jpeg.also(planted("labels", "labels exchanged"))
    assert both.look.codec is jpeg.look.codec and both.rows is not None


def test_no_planter_makes_what_it_does_not_know():
    assert fault_of(benches.PLANTERS, "codec", "JPEG 75") is None
    assert fault_of(benches.PLANTERS, "metric", "labels exchanged") is None
    assert fault_of(MEASURES, "metric", "AP of logits") is not None


def test_twenty_causes_are_not_in_the_catalogue(world):
    assert len(FOREIGN) >= 20
    plain = world.table()["a"].scores
    for name in ("gamma 1.1", "upside down", "bias of the last layer plus 1", "salt"):
        assert not np.allclose(world.table(FOREIGN[name].look)["a"].scores, plain), name


def trial(name: str, named: bool, wrong: tuple[str, ...] = (), **changes) -> PlantedTrial:
    case = Case(
        family="codec",
        name=name,
        names=changes.pop("names", (name,)),
        fault=PlantedFault(),
        **changes,
    )
    return PlantedTrial(
        detector="d", case=case, given=("a.acc=50.0",), named=named, group=int(named), wrong=wrong
    )


@pytest.mark.parametrize(
    ("named", "wrong", "passes"),
    [(100, 0, True), (95, 0, True), (94, 0, False), (100, 2, True), (100, 3, False)],
)
def test_what_passes(named, wrong, passes):
    trials = [trial(f"c{n}", n < named, ("x",) if n < wrong else ()) for n in range(100)]
    assert _why_bench.passed(trials) is passes
    text = _why_bench.as_text(trials, [])
    assert f"{named} ({named}.0 %)" in text
    assert text.count("not named") == 100 - named


def test_draws_and_causes_without_effect_are_counted_apart():
    silent = dataclasses.replace(trial("silent", False), given=())
    trials = [trial("known", True), trial("draw", False, random=True), silent]
    assert _why_bench.passed(trials)
    line = next(
        x for x in _why_bench.as_text(trials, ["other"]).splitlines() if x.startswith("all")
    )
    assert line.split()[1:4] == ["2", "1", "1"]
    assert not _why_bench.passed([*trials, trial("foreign", False, ("x",), names=())])


@pytest.fixture(scope="module")
def small_bench(tmp_path_factory) -> Bench:
    return Bench(KINDS[-1], tmp_path_factory.mktemp("bench"))


@pytest.mark.slow
def test_the_harness_gives_what_is_computed_by_hand(small_bench):
    plain = small_bench.world.numbers()
    for name, scored in small_bench.row.sets.items():
        by_hand = small_bench.world.table()[name]
        assert scored.ids == by_hand.ids
        assert np.abs(scored.scores - by_hand.scores).max() < 1e-4
        result = small_bench.row.result(name)
        for metric in ("acc", "ap"):
            assert f"{100 * result.metrics[metric].value:.1f}" == plain[f"{name}.{metric}"]
        assert 60 <= float(plain[f"{name}.acc"]) <= 97


@pytest.mark.slow
def test_every_condition_has_a_planter(small_bench):
    assert small_bench.missing == []
    assert len(small_bench.faults) > 250


@pytest.mark.slow
def test_free_causes_are_named_and_nothing_else(small_bench):
    """All planted free causes of three families, without a forward pass."""
    effort = Effort(forward=False, pairs=False)
    cases = [
        case
        for case in small_bench.singles()
        if case.family in ("labels", "metric", "table") and not case.random
    ]
    trials = [small_bench.trial(case, effort) for case in cases]
    asked = _why_bench.counted(trials)
    assert len(asked) > 40
    assert [_why_bench.said(each) for each in asked if not each.named or each.wrong] == []
