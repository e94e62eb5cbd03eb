"""The cost that the LFM paper prints for a detector, and which counter and size give it.

Our networks compute some fixed layers otherwise (a slice instead of a convolution); those layers
are counted apart and added, so that the released network's figure is recomputed and not quoted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from harness.api import DetectorSpec
from harness.complexity import Counts, Size, count, count_module


@dataclass(frozen=True, kw_only=True)
class ReleasedLayer:
    """A layer that the released network runs and ours computes otherwise, with equal results.

    Args:
        what: the layer in words, and what is done here.
        build: makes it.
        shape: of its input (C, H, W) at the paper's 256x256.
    """

    what: str
    build: Callable[[], nn.Module]
    shape: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What the paper prints for a detector, and the counter that gives it.

    Args:
        flops, parameters: as printed, e.g. ``1.61B`` and ``0.72M``.
        relu: the counter adds ReLU outputs to the rule of thop.
        truncated: parameters are cut off after two decimals, not rounded.
        released: layers to add to ours to get the released network.
        note: what remains unknown.
    """

    flops: str
    parameters: str
    relu: bool = False
    truncated: bool = False
    released: tuple[ReleasedLayer, ...] = ()
    note: str = ""


PRINTED_SIZE: Size = (256, 256)

POOLING = ReleasedLayer(
    what="the pooling layer (here: a mean)",
    build=lambda: nn.AdaptiveAvgPool2d(1),
    shape=(512, 32, 32),
)

PRINTED: dict[str, Printed] = {
    "lfm": Printed(
        flops="1.61B",
        parameters="0.72M",
        truncated=True,
        released=(
            ReleasedLayer(
                what="the two fixed residual convolutions (here: a slice and a subtraction)",
                build=lambda: nn.Sequential(
                    nn.Conv2d(3, 3, 2, stride=2, bias=False),
                    nn.ConvTranspose2d(3, 3, 2, stride=2, bias=False),
                ),
                shape=(3, 256, 256),
            ),
        ),
        note="an earlier test.py of the release ran thop on 1x3x256x256",
    ),
    "npr": Printed(
        flops="2.30B",
        parameters="1.44M",
        relu=True,
        released=(
            POOLING,
            ReleasedLayer(
                what="nearest-neighbour sampling down and up (here: a slice)",
                build=lambda: nn.Sequential(
                    nn.Upsample(scale_factor=0.5), nn.Upsample(scale_factor=2.0)
                ),
                shape=(3, 256, 256),
            ),
        ),
        note="thop alone rounds to 2.29B; the pair equals SAFE's own published one, so it was "
        "probably carried over from there",
    ),
    "safe": Printed(
        flops="2.30B",
        parameters="1.44M",
        relu=True,
        released=(POOLING,),
        note="the release's wavelet convolutions (here: slices) are not in this count",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Addition:
    """A released layer, counted: what it is, and what it adds to each counter."""

    what: str
    macs: int
    thop_rule: int


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """A printed cost beside the recomputed one, at the paper's size.

    Args:
        flops, parameters: as printed.
        ours: our network, counted.
        additions: layers that only the released network runs.
        figure: what the paper's counter gives for the released network.
        counter: that counter's name.
        fvcore: what fvcore counts for the released network.
        flops_explained, parameters_explained: the recomputed numbers print as the paper's.
        parameters_rule: ``rounded`` or ``truncated``.
        note: what else is known.
    """

    flops: str
    parameters: str
    ours: Counts
    additions: tuple[Addition, ...]
    figure: int
    counter: str
    fvcore: int
    flops_explained: bool
    parameters_explained: bool
    parameters_rule: str
    note: str


def reconcile(spec: DetectorSpec) -> Reconciled | None:
    """Recomputes the paper's printed cost of a detector; None where it prints none."""
    printed = PRINTED.get(spec.name)
    ours = count(spec, PRINTED_SIZE) if printed else None
    if printed is None or ours is None:
        return None
    additions = tuple(_addition(layer) for layer in printed.released)
    figure = ours.thop_rule + sum(addition.thop_rule for addition in additions)
    if printed.relu:
        figure += ours.relu_outputs
    hundredths = ours.parameters / 1e4
    shown = int(hundredths) if printed.truncated else round(hundredths)
    return Reconciled(
        flops=printed.flops,
        parameters=printed.parameters,
        ours=ours,
        additions=additions,
        figure=figure,
        counter="the rule of thop" + (" + ReLU outputs" if printed.relu else ""),
        fvcore=ours.macs + sum(addition.macs for addition in additions),
        flops_explained=f"{figure / 1e9:.2f}B" == printed.flops,
        parameters_explained=f"{shown / 100:.2f}M" == printed.parameters,
        parameters_rule="truncated" if printed.truncated else "rounded",
        note=printed.note,
    )


def explain(found: Reconciled) -> list[str]:
    """The reconciliation in lines of text."""
    terms = [f"{found.ours.thop_rule:,} here"]
    if found.figure != found.ours.thop_rule and "ReLU" in found.counter:
        terms.append(f"{found.ours.relu_outputs:,} ReLU outputs")
    terms += [f"{a.thop_rule:,} for {a.what}" for a in found.additions if a.thop_rule]
    verdict = "=" if found.flops_explained else "is not explained:"
    lines = [
        f"{found.flops} {verdict} {found.figure:,} by {found.counter} at "
        f"{PRINTED_SIZE[0]}x{PRINTED_SIZE[1]}: {' + '.join(terms)}",
        f"fvcore counts {found.fvcore:,} for the released network, the printed counter "
        f"{100 * (found.figure / found.fvcore - 1):.1f} % more: "
        + " + ".join(
            [f"{found.ours.macs:,} here", *(f"{a.macs:,} for {a.what}" for a in found.additions)]
        ),
    ]
    verdict = "=" if found.parameters_explained else "is not explained:"
    lines.append(
        f"{found.parameters} {verdict} {found.ours.parameters:,} parameters, "
        f"{found.parameters_rule}"
    )
    return [*lines, found.note] if found.note else lines


def _addition(layer: ReleasedLayer) -> Addition:
    counts = count_module(layer.build(), (1, *layer.shape))
    return Addition(what=layer.what, macs=counts.macs, thop_rule=counts.thop_rule)
