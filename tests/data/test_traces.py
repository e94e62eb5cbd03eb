from __future__ import annotations

import numpy as np
import pytest
from image_files import encoded, noise
from PIL import Image
from scipy.fft import dct

from harness.audit.likeness import perceptual_hashes
from harness.audit.traces import BLOCKY, blockiness
from harness.data.decode import decode, read_bytes
from harness.data.perturb import parse_perturbation
from harness.registry.suites import find_root, get_suite


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    """The 150 photographs of the embedded suite."""
    suite = get_suite("mini")
    samples = suite.adapter(suite, suite.subsets[0], find_root(suite, None))
    return [decode(read_bytes(s), s.id) for s in samples if s.label == 0]


def _share(images: list[np.ndarray], text: str, cut: int = 0) -> float:
    """Of pictures that count as former JPEGs after a perturbation and a cut off the grid."""
    perturb = parse_perturbation(text)
    return float(np.mean([blockiness(perturb(i, "a")[cut:, cut:]) > BLOCKY for i in images]))


def test_photographs_that_never_were_jpegs_of_this_size(photos: list[np.ndarray]) -> None:
    assert _share(photos, "") <= 0.02


@pytest.mark.parametrize(("quality", "found"), [(75, 0.95), (90, 0.75), (96, 0.3)])
def test_former_jpegs_are_found_wherever_their_grid_lies(
    photos: list[np.ndarray], quality: int, found: float
) -> None:
    assert _share(photos, f"jpeg({quality})") >= found
    assert _share(photos, f"jpeg({quality})", cut=3) >= found


def test_upsampling_by_two_is_seldom_taken_for_a_jpeg(photos: list[np.ndarray]) -> None:
    doubled = [np.asarray(Image.fromarray(i[:64, :64]).resize((128, 128), 3)) for i in photos]
    assert np.mean([blockiness(i) > BLOCKY for i in doubled]) <= 0.1


def test_blockiness_is_about_one_on_noise_and_large_on_blocks() -> None:
    assert blockiness(noise(256, 256)) == pytest.approx(1, abs=0.03)
    blocks = np.kron(noise(32, 32)[:, :, 0], np.ones((8, 8), dtype=np.uint8))
    assert blockiness(np.dstack([blocks] * 3)) > 5
    flat = np.full((64, 64, 3), 9, dtype=np.uint8)
    assert blockiness(flat) == 1.0
    assert blockiness(noise(31, 400)) is None


def _hashes(image: np.ndarray) -> tuple[int, int]:
    found = perceptual_hashes(image)
    assert found is not None
    return found


def test_a_hash_survives_scaling_and_compression_and_tells_pictures_apart(
    photos: list[np.ndarray],
) -> None:
    perturbed = [parse_perturbation("scale(0.5)|jpeg(50)")(i, "a") for i in photos]
    hashes = [_hashes(i)[0] for i in photos]
    own = [(a ^ _hashes(b)[0]).bit_count() for a, b in zip(hashes, perturbed, strict=True)]
    assert np.mean(np.array(own) <= 4) > 0.9
    other = [(a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[i + 1 :]]
    assert np.mean(np.array(other) <= 4) < 1e-3
    assert np.mean(other) == pytest.approx(31.5, abs=1.5)


def test_the_hash_is_the_sign_of_the_low_cosine_coefficients() -> None:
    image = noise(32, 32, 5)
    grey = np.asarray(Image.fromarray(image).convert("L"), dtype=float)
    low = dct(dct(grey, axis=0), axis=1)[:8, :8].ravel()[1:]
    bits = "".join("1" if value > np.median(low) else "0" for value in low) + "0"
    assert _hashes(image)[0] == int(bits, 2)


def test_the_second_hash_is_that_of_the_mirror_image(photos: list[np.ndarray]) -> None:
    for photo in photos[:20]:
        straight, mirrored = _hashes(photo)
        again = _hashes(np.ascontiguousarray(photo[:, ::-1]))
        assert (again[0] ^ mirrored).bit_count() <= 2  # rounding near the median
        assert (again[1] ^ straight).bit_count() <= 2


def test_a_flat_picture_has_no_hash() -> None:
    assert perceptual_hashes(np.full((50, 50, 3), 200, dtype=np.uint8)) is None


def test_former_jpegs_in_png_keep_their_hash(photos: list[np.ndarray]) -> None:
    again = decode(encoded(Image.fromarray(photos[0]), "PNG"), "a")
    assert perceptual_hashes(again) == perceptual_hashes(photos[0])
