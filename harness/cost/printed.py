"""The cost that the LFM paper prints for a detector, recomputed by the rule that made it.

The printed column mixes three rules. LFM's and Ojha's FLOPs are thop's. NPR's, SAFE's and LGrad's
follow from fvcore on networks left in training mode, where it charges a batch norm 5 an element
instead of 2; one rule gives all three. FatFormer's are no FLOPs at all. Every number is counted on
our networks; fixed layers that ours compute otherwise (a slice instead of a convolution) are built,
counted and added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from harness.api import DetectorSpec
from harness.cost.count import Counts, Size, count, count_module

THOP = "as thop counts"
TRAINING = "as fvcore counts in training mode"

_UNITS = {"B": 1e9, "M": 1e6}


@dataclass(frozen=True, kw_only=True)
class Term:
    """A part of a recomputed number: what was counted, and how much it is."""

    what: str
    value: int


@dataclass(frozen=True, kw_only=True)
class PrintedCell:
    """A printed number and the recomputed one.

    Args:
        printed: as in the paper, e.g. ``1.61B``.
        rule: by which ``terms`` were counted, or ``value`` is printed.
        terms: they add up to ``value``.
        shown: ``value`` printed by this rule.
        explained: ``shown`` is ``printed``.
    """

    printed: str
    rule: str
    terms: tuple[Term, ...]
    value: int
    shown: str
    explained: bool


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """A printed cost beside the recomputed one and beside ours.

    Args:
        flops, parameters: the two cells.
        ours: our network as it is, at the paper's size.
        note: what else is known.
    """

    flops: PrintedCell
    parameters: PrintedCell
    ours: Counts
    note: str


def reconcile(spec: DetectorSpec, counted: Counts | None = None) -> Reconciled | None:
    """Recomputes the paper's printed cost of a detector; None where it prints none.

    Args:
        counted: the detector's network, where it was counted before; used if the size fits.
    """
    row = PRINTED.get(spec.name)
    if row is None:
        return None
    if counted is None or counted.size != row.size:
        counted = count(spec, row.size)
    return row.recompute(spec, counted) if counted else None


def explain(found: Reconciled) -> list[str]:
    """The reconciliation in lines of text."""
    ours = found.ours
    counted = f"here {ours.macs:,} by fvcore at {ours.size[0]}x{ours.size[1]}"
    if ours.attention_products:
        counted += f", {ours.macs + ours.attention_products:,} with attention's products"
    parameters = "the same"
    if found.parameters.value != ours.parameters:
        parameters = _more(found.parameters.printed, ours.parameters)
    return [
        _sentence(found.flops),
        _sentence(found.parameters),
        f"{counted}, and {ours.parameters:,} parameters: the paper has "
        f"{_more(found.flops.printed, ours.macs)} FLOPs and {parameters} parameters",
        found.note,
    ]


def _sentence(cell: PrintedCell) -> str:
    number = " + ".join(f"{term.value:,} {term.what}" for term in cell.terms)
    if len(cell.terms) > 1:
        number = f"{cell.value:,} ({number})"
    verdict = "="
    if not cell.explained:
        verdict = f"is not explained, {_more(cell.printed, cell.value)} than"
    return f"{cell.printed} {verdict} {number}, {cell.rule}"


def _more(printed: str, value: int) -> str:
    ratio = float(printed[:-1]) * _UNITS[printed[-1]] / value - 1
    return f"{abs(ratio):.1%} {'more' if ratio >= 0 else 'fewer'}"


def _cell(printed: str, rule: str, *terms: Term, cut: bool = False, unit: str = "") -> PrintedCell:
    """Adds the terms up and prints them as the paper does.

    Args:
        cut: cut off after two decimals instead of rounding.
        unit: of the number, where it is not the printed one.
    """
    value = sum(term.value for term in terms)
    hundredths = 100 * value / _UNITS[unit or printed[-1]]
    shown = f"{(int(hundredths) if cut else round(hundredths)) / 100:.2f}{printed[-1]}"
    return PrintedCell(
        printed=printed,
        rule=rule,
        terms=terms,
        value=value,
        shown=shown,
        explained=shown == printed,
    )


def _lfm(spec: DetectorSpec, ours: Counts) -> Reconciled:
    # Fixed kernels of 1 and 0; here a slice and a subtraction.
    residual = nn.Sequential(
        nn.Conv2d(3, 3, 2, stride=2, bias=False), nn.ConvTranspose2d(3, 3, 2, stride=2, bias=False)
    )
    added = count_module(residual, (1, 3, 256, 256)).thop_rule
    return Reconciled(
        flops=_cell(
            "1.61B",
            f"{THOP} at 256x256",
            Term(what="here", value=ours.thop_rule),
            Term(what="for the two fixed residual convolutions (here: a slice)", value=added),
        ),
        parameters=_cell(
            "0.72M", "cut, not rounded", Term(what="here", value=ours.parameters), cut=True
        ),
        ours=ours,
        note="an earlier test.py of the release ran thop on 1x3x256x256",
    )


def _two_stages(spec: DetectorSpec, ours: Counts, note: str, *others: Term) -> Reconciled:
    """NPR's trunk, which SAFE has too; its released form ends in a pooling layer."""
    pooling = count_module(nn.AdaptiveAvgPool2d(1), (1, 512, 32, 32)).macs
    return Reconciled(
        flops=_cell(
            "2.30B",
            f"{TRAINING} at 256x256",
            Term(what="here", value=_trained(_module(spec))),
            Term(what="for the pooling layer (here: a mean)", value=pooling),
            *others,
        ),
        parameters=_cell("1.44M", "rounded", Term(what="here", value=ours.parameters)),
        ours=ours,
        note=note,
    )


def _npr(spec: DetectorSpec, ours: Counts) -> Reconciled:
    sampling = nn.Sequential(nn.Upsample(scale_factor=0.5), nn.Upsample(scale_factor=2.0))
    return _two_stages(
        spec,
        ours,
        "the pair equals SAFE's own published one, so it was probably carried over from there",
        Term(
            what="for nearest-neighbour sampling down and up (here: a slice)",
            value=count_module(sampling, (1, 3, 256, 256)).macs,
        ),
    )


def _safe(spec: DetectorSpec, ours: Counts) -> Reconciled:
    return _two_stages(
        spec, ours, "the release's wavelet convolutions (here: slices) are not in this count"
    )


def _lgrad(spec: DetectorSpec, ours: Counts) -> Reconciled:
    network = _module(spec).network
    discriminator, classifier = network.discriminator, network.classifier
    of_discriminator = _parameters(discriminator)
    for layer in list(discriminator.modules()):
        # fvcore's count of the release is ours without the blurs, to the last digit (fact card).
        if getattr(layer, "blur", None) is not None:
            layer.blur = nn.Identity()
    forward = _trained(discriminator)
    classifier.fc = nn.Linear(classifier.fc.in_features, 1000)
    return Reconciled(
        flops=_cell(
            "50.95B",
            f"{TRAINING} at 256x256",
            Term(what="for the discriminator without its blurs", value=forward),
            Term(what="for its gradient, as much again", value=forward),
            Term(what="for a ResNet-50 of 1000 outputs", value=_trained(classifier)),
        ),
        parameters=_cell(
            "48.61M",
            "rounded",
            Term(what="of the discriminator", value=of_discriminator),
            Term(what="of a ResNet-50 of 1000 outputs", value=_parameters(classifier)),
        ),
        ours=ours,
        note="LGrad's classifier has one output; here the gradient is counted operator by "
        "operator, blurs included",
    )


def _ojha(spec: DetectorSpec, ours: Counts) -> Reconciled:
    seen = "of the patch convolution, the blocks' perceptrons and the head"
    return Reconciled(
        flops=_cell("51.90B", f"{THOP} at 224x224", Term(what=seen, value=ours.thop_rule)),
        parameters=_cell("202.05M", f"{THOP} them", Term(what=seen, value=ours.thop_parameters)),
        ours=ours,
        note="CLIP's attention, layer norms and projections are no layers that thop knows, so "
        "neither cell has them",
    )


def _fatformer(spec: DetectorSpec, ours: Counts) -> Reconciled:
    eight = count_module(_module(spec, adapters=8), (1, 3, *ours.size))
    term = Term(what="parameters (8 adapters, the parser's default)", value=eight.parameters)
    return Reconciled(
        flops=_cell("577.25B", "the cell beside it again, B for M", term, unit="M"),
        parameters=_cell("577.25M", "rounded", term),
        ours=ours,
        note=f"the published model has 3 adapters. With 8, fvcore counts {eight.macs:,} here, "
        f"{eight.macs + eight.attention_products:,} with attention's products",
    )


@dataclass(frozen=True, kw_only=True)
class PrintedRow:
    """A row of the paper's cost columns.

    Args:
        size: (height, width) that its numbers belong to.
        recompute: makes both cells anew, from the detector and our count of it at ``size``.
    """

    size: Size
    recompute: Callable[[DetectorSpec, Counts], Reconciled]


PRINTED: dict[str, PrintedRow] = {
    "fatformer": PrintedRow(size=(224, 224), recompute=_fatformer),
    "lfm": PrintedRow(size=(256, 256), recompute=_lfm),
    "lgrad": PrintedRow(size=(256, 256), recompute=_lgrad),
    "npr": PrintedRow(size=(256, 256), recompute=_npr),
    "ojha": PrintedRow(size=(224, 224), recompute=_ojha),
    "safe": PrintedRow(size=(256, 256), recompute=_safe),
}


def _module(spec: DetectorSpec, **options: object) -> Any:
    """A fresh network of the detector, to be changed at will."""
    return spec.build(**options).module


def _trained(module: nn.Module) -> int:
    return count_module(module, (1, 3, 256, 256), training=True).macs


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
