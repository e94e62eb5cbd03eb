"""The scorers of a run: each network is built when it is first needed, and once."""

from __future__ import annotations

from collections.abc import Mapping

from harness.engine.scorer import Compute, Job, Scorer
from harness.engine.towers import Towers
from harness.env import environment
from harness.errors import HarnessError
from harness.results.records import Made


def session(compute: Compute, config: Mapping[str, str]) -> Made:
    """What scores made now, in this process, are noted with."""
    around = environment(compute.device)
    how = {"runtime": compute.runtime, "batch_size": str(compute.batch_size)}
    return Made(environment={**around, **how}, settings=dict(config))


class Scorers:
    """Scorers by weights.

    Args:
        compute: where they run.
    """

    def __init__(self, compute: Compute) -> None:
        self.compute = compute
        self._towers = Towers()
        # By weights, not by job: the treatments of a detector's images share its network. A
        # network that cannot be built fails for every subset with the one error of its first try.
        self._built: dict[int, Scorer | HarnessError] = {}

    def of(self, job: Job) -> Scorer:
        """The job's scorer.

        Raises:
            HarnessError: it cannot be built.
        """
        found = self._built.get(id(job.loaded))
        if found is None:
            try:
                found = Scorer(job.spec, job.loaded, self.compute, self._towers)
            except HarnessError as error:
                found = error
            self._built[id(job.loaded)] = found
        if isinstance(found, HarnessError):
            raise found
        return found
