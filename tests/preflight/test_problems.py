"""Each tier's words as problems: what stands in them, and names that stay the same while the problem does."""

from __future__ import annotations

import msgspec
import pytest

from envdoctor.departures import Departure, What
from envdoctor.dockerfiles import REGISTRY, code_of
from envdoctor.dockerfiles.linting import lint
from envdoctor.findings import Layer, Severity
from envdoctor.preflight.outcome import Tier
from envdoctor.preflight.problems import MEANS, distinct, of_departure, of_dockerfile, of_smoke
from envdoctor.realign import Step
from tests.factory import MATRIX
from tests.preflight.made import DOCKERFILE, checked, named, story, wrong_torch
from tests.proving.made import not_started, proven, stale

TODO = (Step(says="Install what the lock says.", commands=(("uv", "pip", "sync", "h100.txt"),)),)


def departure(what: What, **more: str | None) -> Departure:
    values = {"name": "trl", "locked": "1.16.0", "found": "1.15.1", "says": "", "via": "METADATA"}
    return Departure(what=what, **{**values, **more})  # type: ignore[arg-type]


def test_a_root_cause_keeps_evidence_sources_symptoms_and_the_first_remedy() -> None:
    (one,) = checked(named(story("torch-2.6-under-vllm-0.6.6")))
    assert (one.code, one.severity, one.layer) == ("ED201", Severity.ERROR, Layer.DECLARED)
    assert one.evidence
    assert one.sources
    assert one.commands
    assert one.says.endswith(".")


def test_the_name_of_a_problem_does_not_move_with_versions_and_does_with_what_it_is_about() -> None:
    (one,) = checked(named(story("torch-2.6-under-vllm-0.6.6")))
    again = msgspec.structs.replace(one, title="other versions, the same clash")
    assert again.fingerprint == one.fingerprint
    assert len(one.fingerprint) == 32
    other = of_departure(departure(What.VERSION), TODO, Tier.DRIFT)
    newer = of_departure(departure(What.VERSION, found="1.14.0"), TODO, Tier.DRIFT)
    assert len({one.fingerprint, other.fingerprint, newer.fingerprint}) == 3


def test_of_two_problems_with_one_name_the_second_gets_its_own_and_always_the_same() -> None:
    (one,) = wrong_torch().problems
    names = [two.fingerprint for two in distinct((one, one, one))]
    assert len(set(names)) == 3
    assert names[0] == one.fingerprint
    assert [two.fingerprint for two in distinct((one, one, one))] == names


def test_a_dockerfile_whose_lines_move_keeps_the_names_of_its_problems() -> None:
    codes = [code_of(name) for name in REGISTRY]

    def names(text: bytes) -> set[str]:
        return {one.fingerprint for one in of_dockerfile(lint("Dockerfile", text, None, MATRIX, codes), "Dockerfile")}

    below = DOCKERFILE.replace(b"RUN pip install flash", b"# a word\nENV A=1\nRUN pip install flash")
    assert names(DOCKERFILE) == names(below)
    (first, *_) = of_dockerfile(lint("Dockerfile", DOCKERFILE, None, MATRIX, codes), "docker/Dockerfile")
    assert first.places[0].path == "docker/Dockerfile"
    assert first.places[0].line >= 1


@pytest.mark.parametrize("what", What)
def test_every_way_to_drift_has_words_with_both_values(what: What) -> None:
    one = of_departure(departure(what), TODO, Tier.DRIFT)
    assert one.code == f"DRIFT-{what.name}"
    assert "trl" in one.title
    assert one.why == MEANS[what]
    assert one.commands == TODO[0].commands
    assert [seen.value for seen in one.evidence] == ["1.16.0", "1.15.1"]


def test_edited_files_are_named_in_the_headline_and_what_is_missing_says_so() -> None:
    edited = of_departure(departure(What.FILES, locked=None, says="1 edited: trl/trainer.py"), TODO, Tier.FILES)
    assert edited.title == "trl: 1 edited: trl/trainer.py"
    assert edited.layer is Layer.LINKED
    gone = of_departure(departure(What.MISSING, found=None), TODO, Tier.DRIFT)
    assert gone.title == "trl 1.16.0 is in the lock and not installed"


def test_a_smoke_that_is_no_proof_leads_with_its_cause_and_folds_what_is_broken() -> None:
    one = of_smoke(stale())
    assert one is not None
    assert one.code == "SMOKE-engine-agrees-after-push"
    assert one.title == "GRPO does not train here: The engine keeps old weights after a push"
    assert one.layer is Layer.TRAINED
    assert [follows.code for follows in one.symptoms] == ["SMOKE-engine-agrees-after-push", "SMOKE-reward-rises"]


def test_a_smoke_that_did_not_start_says_so_and_a_proven_one_is_no_problem() -> None:
    one = of_smoke(not_started())
    assert one is not None
    assert one.evidence
    assert one.says
    bare = of_smoke(msgspec.structs.replace(not_started(), cause=None))
    assert bare is not None
    assert "start the engine" in bare.why
    assert of_smoke(proven()) is None
