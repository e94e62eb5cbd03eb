"""Any suite's table without a spec: a column a set, and the mean of those with both classes."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.spec import SetSpec, TableSpec
from harness.results.records import RunRecord, SubsetResult

MEAN_OF = "mean of {}"
_CAPTION = (
    "Percent. AP ranks the scores as they are. Flagged as fake: share of a set's fakes that the "
    "detector flags as fake; on sets of reals alone it is the share of these, which are false "
    "alarms."
)


def sets_spec(suite: str, records: Sequence[RunRecord]) -> TableSpec:
    """The spec of a table of one suite's records; sets in the order of the records.

    Args:
        suite: name.
        records: of any suites; what others hold is not looked at.
    """
    results: dict[str, SubsetResult] = {}
    for record in records:
        for result in record.subsets if record.suite == suite else ():
            if result.metrics or result.subset not in results:
                results[result.subset] = result
    both = tuple(name for name, each in results.items() if each.n_real and each.n_fake)
    sets = [
        SetSpec(title=name, sets=(name,), fakes=bool(each.n_fake) or each.group != "controls")
        for name, each in results.items()
    ]
    if len(both) > 1:
        sets.insert(0, SetSpec(title=MEAN_OF.format(len(both)), sets=both))
    left = len(results) - len(both)
    absent = f" {left} sets of one class are in no mean." if left else ""
    return TableSpec(
        name=suite,
        title=suite,
        caption=_CAPTION + absent,
        kind="mini",
        suite=suite,
        sets=tuple(sets),
    )
