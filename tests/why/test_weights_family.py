"""Another checkpoint: those at hand are tried, the others say what to type."""

from __future__ import annotations

from harness.diagnosis import weights_family as family
from harness.diagnosis.condition import View
from harness.registry import detectors as registry
from tests.why.small import about, absent, catalogue

NPR = registry.detector("npr")


def test_other_weights_are_tried_and_not_those_asked_for() -> None:
    facts = about(NPR, label="released", tokens={"released": "", "last-3090": ""})
    found = catalogue(family, facts)
    assert set(found) == {"weights(last-3090)"}
    assert found["weights(last-3090)"].act == View(weights="last-3090")
    assert found["weights(last-3090)"].cost == "weights"


def test_a_missing_file_says_how_to_get_it() -> None:
    facts = about(NPR, label="released", tokens={"last-3090": "model_epoch_last_3090.pth: absent"})
    assert not catalogue(family, facts)
    why = absent(family, facts)["weights(last-3090)"]
    assert why.startswith("model_epoch_last_3090.pth: absent")
    assert why.count("python -m harness weights --fetch npr:last-3090") == 1
    again = about(NPR, label="released", tokens={"last-3090": why})
    assert absent(family, again)["weights(last-3090)"] == why


def test_a_file_that_a_thread_names_and_nobody_registered() -> None:
    assert "issue 14" in absent(family, about(NPR))["weights(NPR_GenImage_sdv4.pth)"]
    assert not absent(family, about(registry.detector("lfm")))
