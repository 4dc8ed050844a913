"""Preflights of every kind, for the renderers: made of real rules on made machines, real drift and a made smoke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.departures import Departure, What
from envdoctor.dockerfiles import REGISTRY, code_of
from envdoctor.dockerfiles.linting import lint
from envdoctor.examine import Wishes, examine
from envdoctor.facts import Target
from envdoctor.findings import Evidence, Joint, Layer, Severity
from envdoctor.preflight.assembling import ordered, stacked, verdict
from envdoctor.preflight.outcome import (
    Cost,
    Estimate,
    Move,
    Place,
    Preflight,
    Price,
    Problem,
    Question,
    Since,
    State,
    Symptom,
    Tier,
    TierResult,
    Waived,
)
from envdoctor.preflight.problems import distinct, fingerprint, of_departure, of_diagnosis, of_dockerfile, of_smoke, of_waived
from envdoctor.realign import Step
from envdoctor.wording import plural
from tests.factory import MATRIX, edit, healthy
from tests.linked import linking
from tests.proving.made import proven, stale
from tests.render.made_live import recorded
from tests.stories.stories import STORIES

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.proving.proof import Proof

TAKEN_AT = "2026-11-26T14:33:12Z"
DOLLARS = Price(per_hour=24.0, currency="$")
TIMES = {Tier.LINT: 0.04, Tier.CHECK: 0.61, Tier.DRIFT: 0.02, Tier.FILES: 6.3, Tier.DEEP: 18.2, Tier.SMOKE: 52.3}
DOCKERFILE = b"FROM nvidia/cuda:12.8.1-devel-ubuntu22.04\nRUN pip install torch==2.15.0 transformers>=4.50\nRUN pip install flash-attn==2.8.3\n"
NOT_ASKED = {Tier.SMOKE: "--smoke asks for it"}


def results(*reached: TierResult, asked: tuple[Tier, ...] = tuple(Tier)) -> tuple[TierResult, ...]:
    """All six: those that were reached, then what became of the others."""
    told = {one.tier: one for one in reached}
    failed = next((one.tier for one in reached if one.state is State.FAILED), None)
    rows = []
    for tier in Tier:
        if tier in told:
            rows.append(told[tier])
        elif tier in asked:
            said = f"{failed.value} failed" if failed else "the budget of 300 s was spent"
            rows.append(TierResult(tier=tier, state=State.NOT_RUN, seconds=0.0, said=said))
        else:
            said = NOT_ASKED.get(tier, "--lock NAME asks for it")
            rows.append(TierResult(tier=tier, state=State.NOT_ASKED, seconds=0.0, said=said))
    return tuple(rows)


def ended(tier: Tier, state: State, said: str) -> TierResult:
    return TierResult(tier=tier, state=state, seconds=TIMES[tier], said=said)


def preflight(
    facts: Facts,
    tiers: tuple[TierResult, ...],
    problems: tuple[Problem, ...] = (),
    *,
    proof: Proof | None = None,
    **more: Any,
) -> Preflight:
    """One preflight of these facts, judged by the real rules."""
    judged, report = examine(facts, MATRIX, Wishes(), 0.0)
    found = ordered(distinct(problems))
    questions = tuple(
        Question(Tier.CHECK, one.code, doubt.question, doubt.why) for one in report.verdicts for doubt in one.doubts
    )
    values: dict[str, Any] = {
        "target": "~/venvs/grpo",
        "chosen": "named on the command line",
        "profile": "h100",
        "lock": "lockfiles/h100.txt",
        "began": TAKEN_AT,
        "seconds": sum(one.seconds for one in tiers),
        "budget_s": 300.0,
        "verdict": verdict(found, tiers, (), questions, strict=False),
        "tiers": tiers,
        "problems": found,
        "waived": (),
        "questions": questions,
        "crashes": (),
        "notes": (),
        "stack": stacked(judged, report.verdicts, proof, found),
        "since": None,
        "cost": Cost(price=DOLLARS, spent_s=sum(one.seconds for one in tiers), spared=()),
        "facts": judged,
        "proof": proof,
    }
    return Preflight(**(values | more))


def checked(facts: Facts) -> tuple[Problem, ...]:
    """The problems of the check tier."""
    _, report = examine(facts, MATRIX, Wishes(), 0.0)
    joints = {one.code: one.joint for one in report.verdicts}
    return tuple(of_diagnosis(one, joints[one.root.code], Tier.CHECK) for one in report.diagnoses)


def spared(*tiers: Tier) -> Cost:
    """A failure that spared these."""
    via = "the last preflight, which passed here"
    return Cost(
        price=DOLLARS,
        spent_s=0.65,
        spared=tuple(Estimate(tier=tier, seconds=TIMES[tier], via=via) for tier in tiers),
    )


def story(name: str) -> Facts:
    """The facts of a story."""
    return next(one.facts for one in STORIES if one.name == name)


def named(facts: Facts) -> Facts:
    """The facts with the target's name as a user gave it."""
    return msgspec.structs.replace(facts, target=Target(spec="~/venvs/grpo", chosen="named on the command line", broken=None))


def wrong_torch() -> Preflight:
    """A torch that vLLM 0.6.6 does not go with: the check tier fails, three tiers are spared."""
    facts = named(story("torch-2.6-under-vllm-0.6.6"))
    problems = tuple(
        msgspec.structs.replace(one, places=(Place("lockfiles/h100.txt", 41), Place("pyproject.toml", 12)))
        for one in checked(facts)
    )
    tiers = results(
        ended(Tier.LINT, State.PASSED, "1 Dockerfile, 13 rules"),
        ended(Tier.CHECK, State.FAILED, f"36 rules, {plural(len(problems), 'root cause')}"),
    )
    return preflight(facts, tiers, problems, cost=spared(Tier.DRIFT, Tier.FILES, Tier.DEEP, Tier.SMOKE))


def drifted() -> Preflight:
    """Three packages that are not what the lock says."""
    todo = (
        Step(
            says="Install what the lock says.",
            commands=(
                ("uv", "pip", "install", "--python", "~/venvs/grpo/bin/python3", "--require-hashes", "-r", "lockfiles/h100.txt"),
            ),
        ),
    )
    site = "~/venvs/grpo/lib/python3.12/site-packages"
    departures = (
        Departure(what=What.VERSION, name="trl", locked="1.16.0", found="1.15.1", says="older", via=f"{site}/trl-1.15.1.dist-info/METADATA"),
        Departure(what=What.MISSING, name="peft", locked="0.19.1", found=None, says="", via="not installed"),
        Departure(what=What.EXTRA, name="deepspeed", locked=None, found="0.18.2", says="", via=f"{site}/deepspeed-0.18.2.dist-info/METADATA"),
    )  # fmt: skip
    lines = {"trl": 152, "peft": 101}
    problems = tuple(
        msgspec.structs.replace(
            of_departure(one, todo, Tier.DRIFT),
            places=(Place("lockfiles/h100.txt", lines[one.name]),) if one.name in lines else (),
        )
        for one in departures
    )
    tiers = results(
        ended(Tier.LINT, State.PASSED, "no Dockerfile here"),
        ended(Tier.CHECK, State.PASSED, "36 rules, no error"),
        ended(Tier.DRIFT, State.FAILED, "161 locked packages, 3 departures"),
        asked=(Tier.LINT, Tier.CHECK, Tier.DRIFT, Tier.FILES, Tier.DEEP),
    )
    return preflight(named(healthy()), tiers, problems, cost=spared(Tier.FILES, Tier.DEEP))


def bad_dockerfile() -> Preflight:
    """A Dockerfile with mistakes: nothing else is reached, so nothing is known of the environment."""
    linted = lint("Dockerfile", DOCKERFILE, None, MATRIX, [code_of(name) for name in REGISTRY])
    problems = tuple(
        msgspec.structs.replace(one, counts=one.severity is Severity.ERROR) for one in of_dockerfile(linted, "Dockerfile")
    )
    tiers = results(
        ended(Tier.LINT, State.FAILED, "1 Dockerfile, 13 rules"),
        asked=(Tier.LINT, Tier.CHECK),
    )
    whole = preflight(named(healthy()), tiers, problems, lock=None, profile=None, cost=spared(Tier.CHECK))
    return msgspec.structs.replace(whole, facts=None, stack=(), questions=())


def waived() -> Preflight:
    """One finding waived, one waiver past its date, and a baseline that knows a third."""
    facts = named(story("torch-2.6-under-vllm-0.6.6"))
    _, report = examine(facts, MATRIX, Wishes(), 0.0)
    root = report.diagnoses[0].root
    joint = next(one.joint for one in report.verdicts if one.code == root.code)
    kept = Waived(problem=of_waived(root, joint, Tier.CHECK), reason="vLLM is patched in our fork", until="2027-01-31")
    expired = Problem(
        tier=Tier.CHECK,
        code="WAIVER-EXPIRED",
        title="The waiver of ED308 expired on 2026-10-01",
        why="What it waived is found no longer, so it waives nothing.",
        severity=Severity.ERROR,
        layer=Layer.DECLARED,
        joint=None,
        cause="waiver-expired",
        subjects=("ED308",),
        evidence=(Evidence("until", "2026-10-01", "pyproject.toml"), Evidence("reason given", "torchvision is not used", "pyproject.toml")),
        says="Delete it, or give it a later date with a reason that still holds.",
        places=(Place("pyproject.toml", 31),),
        fingerprint=fingerprint("WAIVER-EXPIRED", "ED308"),
        counts=True,
    )  # fmt: skip
    known = (msgspec.structs.replace(checked(named(story("nccl-is-missing")))[0], counts=False, known=True),)
    tiers = results(
        ended(Tier.LINT, State.PASSED, "no Dockerfile here"),
        ended(Tier.CHECK, State.FAILED, "36 rules, 1 waived, 1 waiver expired"),
        asked=(Tier.LINT, Tier.CHECK, Tier.DEEP),
    )
    since = Since(
        taken_at="2026-11-25T08:00:00Z",
        new=(expired.fingerprint,),
        gone=(Symptom("ED405", "32 file descriptors are too few for Ray"),),
        moves=(
            Move(what="torch", before="2.5.1", after="2.6.0"),
            Move(what="driver", before="550.54.15", after="550.90.07"),
            Move(what="deepspeed", before=None, after="0.18.2"),
        ),
        untold=None,
    )
    return preflight(facts, tiers, (expired, *known), waived=(kept,), since=since, lock=None, cost=spared(Tier.DEEP))


def passed() -> Preflight:
    """Everything passed, the smoke too."""
    facts = named(edit(healthy(), live=recorded().live, linking=linking()))
    tiers = results(
        ended(Tier.LINT, State.PASSED, "1 Dockerfile, 13 rules"),
        ended(Tier.CHECK, State.PASSED, "43 rules, no error"),
        ended(Tier.DRIFT, State.PASSED, "161 of 161 packages as locked"),
        ended(Tier.FILES, State.PASSED, "161 of 161 packages proven untouched"),
        ended(Tier.DEEP, State.PASSED, "1 device, 8 packages imported"),
        ended(Tier.SMOKE, State.PASSED, "PROVEN by vllm, 9 invariants held"),
    )
    return preflight(facts, tiers, proof=proven())


def not_trained() -> Preflight:
    """The smoke finds what nothing before it could."""
    problem = of_smoke(stale())
    assert problem is not None
    tiers = results(
        ended(Tier.LINT, State.PASSED, "no Dockerfile here"),
        ended(Tier.CHECK, State.PASSED, "36 rules, no error"),
        ended(Tier.DEEP, State.PASSED, "1 device, 8 packages imported"),
        ended(Tier.SMOKE, State.FAILED, "NOT PROVEN by vllm, 2 invariants broken"),
        asked=(Tier.LINT, Tier.CHECK, Tier.DEEP, Tier.SMOKE),
    )
    return preflight(named(healthy()), tiers, (problem,), proof=stale(), lock=None)


def out_of_time() -> Preflight:
    """The budget was spent before the smoke."""
    tiers = results(
        ended(Tier.LINT, State.PASSED, "no Dockerfile here"),
        ended(Tier.CHECK, State.PASSED, "36 rules, no error"),
        ended(Tier.DEEP, State.UNTOLD, "no answer in 299 s"),
        asked=(Tier.LINT, Tier.CHECK, Tier.DEEP, Tier.SMOKE),
    )
    return preflight(named(healthy()), tiers, lock=None)


def hostile() -> Preflight:
    """Names, values and paths that a hostile target could say."""
    nasty = "\x1b[31m</script><script>alert(1)</script>\u202e| ` ::error::]]>&\r\n%0A" + "x" * 3000
    problem = Problem(
        tier=Tier.CHECK,
        code="ED301",
        title=nasty,
        why=nasty,
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        joint=Joint.PYTHON,
        cause="x",
        subjects=(nasty,),
        evidence=(Evidence(nasty, nasty, nasty),),
        says=nasty,
        commands=(("uv", "pip", "install", nasty),),
        write=(nasty,),
        places=(Place(nasty, 3),),
        symptoms=(Symptom("ED310", nasty),),
        fingerprint=fingerprint(nasty),
        counts=True,
    )
    tiers = results(ended(Tier.LINT, State.PASSED, nasty), ended(Tier.CHECK, State.FAILED, nasty), asked=(Tier.LINT, Tier.CHECK))
    return preflight(named(healthy()), tiers, (problem,), target=nasty, chosen=nasty, notes=(nasty,), lock=nasty, profile=nasty)


MADE = {
    "wrong-torch": wrong_torch,
    "drifted": drifted,
    "bad-dockerfile": bad_dockerfile,
    "waived": waived,
    "passed": passed,
    "not-trained": not_trained,
    "out-of-time": out_of_time,
}
"""Name of a golden file -> what it shows. ``hostile`` stands apart: its pages are not golden, they must only be harmless."""
