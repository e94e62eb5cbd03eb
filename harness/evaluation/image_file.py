"""One image file ready to be scored: decoded once a way, perturbed once for each text."""

from __future__ import annotations

from harness.api import FileHeader
from harness.data import decode, decodings
from harness.data.decode import Image8
from harness.data.perturb import UNPERTURBED, Perturbation
from harness.data.preprocess import Preprocess, to_tensor
from harness.engine.scorer import Scorer


class ImageFile:
    """An encoded file, and what was already made of it.

    Args:
        data: a whole encoded file.
        name: what messages call it.
        seed: decides with the text what a random perturbation draws; a sample's id, or "" for the
            name.
        label: 0 real, 1 fake; None where it is not known, and no perturbation asks for it.
        decoding: name of another way to read it (:mod:`harness.data.decodings`), "" for ours.
    """

    def __init__(
        self,
        data: bytes,
        name: str,
        *,
        seed: str = "",
        label: int | None = None,
        decoding: str = "",
    ) -> None:
        self.data = data
        self.name = name
        self.decoding = decoding
        self._read: dict[str, ImageFile] = {decoding: self}
        self._label = label
        self._seed = seed or name
        self._pixels: dict[str, Image8] = {}

    def read_by(self, decoding: str) -> ImageFile:
        """The file read another way; this one where that cannot make a difference.

        Raises:
            BadImageError: it cannot be read.
        """
        if decoding not in self._read:
            concerned = decodings.concerns(decoding, self.data, self.name)
            self._read[decoding] = (
                ImageFile(
                    self.data, self.name, seed=self._seed, label=self._label, decoding=decoding
                )
                if concerned
                else self
            )
        return self._read[decoding]

    def pixels(self, perturbation: Perturbation = UNPERTURBED) -> Image8:
        """(H, W, 3) uint8 RGB, as the image reaches a detector's own geometry.

        One array for all texts that are the same for this image.

        Raises:
            BadImageError: it cannot be decoded.
        """
        perturbation = self._own(perturbation)
        text = str(perturbation)
        if text not in self._pixels:
            if "" not in self._pixels:
                self._pixels[""] = decodings.decode_as(self.decoding, self.data, self.name)
            self._pixels[text] = perturbation(self._pixels[""], self._seed)
        return self._pixels[text]

    def encoded(self, perturbation: Perturbation = UNPERTURBED) -> bytes:
        """The file; of a perturbed image, or one read another way, the file in which it would lie.

        Raises:
            BadImageError: it cannot be decoded.
        """
        perturbation = self._own(perturbation)
        if not perturbation and not self.decoding:
            return self.data
        return perturbation.encoded(self.pixels(perturbation))

    def _own(self, perturbation: Perturbation) -> Perturbation:
        """The steps that are of this image."""
        return perturbation.of(self._label, lambda: decode.read_header(self.data, self.name).format)

    def whole(self, perturbation: Perturbation = UNPERTURBED) -> tuple[bytes, FileHeader]:
        """:meth:`encoded`, and what it says of itself.

        Raises:
            BadImageError: it cannot be read.
        """
        data = self.encoded(perturbation)
        return data, decode.read_header(data, self.name)

    def header(self) -> FileHeader:
        """Of the file.

        Raises:
            BadImageError: it cannot be read.
        """
        return self.whole()[1]


def score(
    image: ImageFile,
    scorer: Scorer,
    preprocess: Preprocess,
    perturbation: Perturbation = UNPERTURBED,
) -> float:
    """A detector's score of one image, from file to number.

    Raises:
        BadImageError: the image cannot be decoded.
        InputSizeError: the detector cannot take its size after ``preprocess``.
    """
    if not scorer.reads_pixels:
        return scorer.encoded(*image.whole(perturbation), image.name)
    pixels = preprocess(image.pixels(perturbation), image.name)
    return float(scorer.pixels(to_tensor(pixels)[None], image.name)[0])
