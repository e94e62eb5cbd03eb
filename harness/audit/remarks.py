"""What a user should know of an audited test set, a line each."""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.duplicates import Duplicates
from harness.audit.findings import EXAMPLES, LEVELS
from harness.audit.lookalikes import Lookalikes, Overlap, Pairs
from harness.audit.suite import SuiteAudit


def remarks(audit: SuiteAudit) -> list[str]:
    """``error: ...``, then ``warning: ...``, then ``note: ...``."""
    lines = [
        *_of_subsets(audit),
        *_of_folders(audit),
        *_not_judged(audit),
        *_equal_files(audit.duplicates),
    ]
    if audit.lookalikes is not None:
        lines += _false_alarms(audit.duplicates)
        lines += _lookalikes(audit.lookalikes)
    if audit.overlap is not None:
        lines += _overlap(audit.overlap, exact_only=audit.exact_only)
    return sorted(lines, key=lambda line: LEVELS.index(line.partition(":")[0]))


def _of_subsets(audit: SuiteAudit) -> Iterator[str]:
    for each in audit.subsets:
        if each.by_file and each.by_file.note and each.by_file.accuracy is not None:
            yield f"note: {each.subset}: file facts are judged {each.by_file.note}"
        yield from (f"{f.level}: {each.subset}: {f.text}" for f in each.findings)
        for what, found in (
            ("file facts alone", each.by_file),
            ("file facts and the 8x8 grid", each.by_file_and_grid),
        ):
            if found and found.flagged and found.facts:
                first = " and ".join(list(found.facts)[:2])
                yield (
                    f"warning: {each.subset}: {what} tell real from fake, most of all by {first}"
                )


def _of_folders(audit: SuiteAudit) -> Iterator[str]:
    if audit.known_extras:
        yield f"note: not scored by the paper: {', '.join(audit.known_extras)}"
    if audit.unknown_extras:
        yield f"warning: unknown folders, not scored: {', '.join(audit.unknown_extras)}"


def _not_judged(audit: SuiteAudit) -> list[str]:
    """Why there are dashes, a line a reason."""
    reasons: dict[str, list[str]] = {}
    for each in audit.subsets:
        if each.by_file and each.by_file.accuracy is None:
            reasons.setdefault(each.by_file.note, []).append(each.subset)
    return [
        f"note: file facts are not judged, {reason}: {', '.join(names)}"
        for reason, names in reasons.items()
    ]


def _equal_files(duplicates: Duplicates) -> Iterator[str]:
    for label, scored in sorted(duplicates.scored.items()):
        distinct = duplicates.distinct.get(label, 0)
        if distinct < scored:
            yield f"note: {distinct} distinct {label} files among {scored} scored"
    for shared in duplicates.across:
        where = ", ".join(shared.subsets)
        yield f"note: {shared.files} {shared.label} files are in each of: {where}"
    for subset, files in duplicates.within_files.items():
        example = " = ".join(duplicates.within[subset][0])
        yield f"warning: {subset}: {files} superfluous copies, such as {example}"
    if duplicates.both_classes:
        example = " = ".join(duplicates.both_classes[0])
        count = len(duplicates.both_classes)
        yield f"warning: {count} files are called both real and fake, such as {example}"


def _false_alarms(duplicates: Duplicates) -> Iterator[str]:
    """How often one false alarm counts in a mean over the subsets."""
    shared = [each for each in duplicates.across if each.label == "real"]
    parts = [
        f"{each.files} file{'s' if each.files > 1 else ''} {len(each.subsets)} times "
        f"({', '.join(each.subsets)})"
        for each in shared[:EXAMPLES]
    ]
    if len(shared) > EXAMPLES:
        parts.append(f"and {len(shared) - EXAMPLES} more groups")
    if parts:
        yield (
            "note: a false alarm on a shared real counts several times in a mean over subsets: "
            + "; ".join(parts)
        )


def _lookalikes(found: Lookalikes) -> Iterator[str]:
    kinds = [(f"{name}: ", "", pairs) for name, pairs in found.within.items()]
    kinds += [
        ("", " across subsets", found.across_subsets),
        ("", " of a real and a fake", found.across_classes),
    ]
    for where, between, pairs in kinds:
        if pairs.pairs:
            example = " = ".join(pairs.examples[0])
            yield f"note: {where}{_several(pairs)}{between} look the same, such as {example}"
    if found.left_out:
        yield f"note: the search for near duplicates is bounded: {found.left_out}"


def _several(pairs: Pairs) -> str:
    most = "at least " if pairs.more else ""
    return f"{most}{pairs.pairs} pair{'s' if pairs.pairs > 1 else ''} ({pairs.files} files)"


def _overlap(overlap: Overlap, *, exact_only: bool) -> Iterator[str]:
    if overlap.exact:
        counts = " and ".join(f"{n} {label}" for label, n in sorted(overlap.exact.items()))
        example = overlap.examples[0]
        yield f"warning: {counts} files are in {overlap.training} too, such as {example}"
    if overlap.near.pairs:
        example = " = ".join(overlap.near.examples[0])
        yield (
            f"warning: {_several(overlap.near)} look the same as others in {overlap.training}, "
            f"such as {example}"
        )
    if not (overlap.exact or overlap.near.pairs):
        how = "byte by byte" if exact_only else "exactly or nearly"
        yield f"note: nothing of it is in {overlap.training}, {how}"
    if overlap.left_out:
        yield (
            f"note: the search for near duplicates in {overlap.training} is bounded: "
            f"{overlap.left_out}"
        )
    if exact_only:
        yield (
            "note: near duplicates in the training data were not looked for: its images "
            "are not at hand"
        )
