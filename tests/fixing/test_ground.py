"""What the resolver is asked of an environment: roots, pins, what is left aside, and the platform."""

from __future__ import annotations

from envdoctor.facts import DirectUrl, Facts, Known, Libc, Unknown
from envdoctor.fixing.goals import Goal
from envdoctor.fixing.ground import brought_by_torch, followers, ground, platform, question
from envdoctor.resolver import Index
from tests.factory import dist, edit, healthy, put
from tests.fixing.planned import NEWEST, VLLM_0_7, environment


def test_roots_are_the_stack_and_what_nobody_requires_and_not_the_libraries_of_torch() -> None:
    at = ground(environment(NEWEST, dist("my-tool", "1.0"), dist("filelock", "3.0"), dist("user", "1", "filelock")))
    assert {"vllm", "torch", "trl", "transformers", "my-tool", "user"} <= set(at.roots)
    assert not {"filelock", "triton", "nvidia-cublas"} & set(at.roots)


def test_packages_that_require_each_other_are_not_lost() -> None:
    at = ground(environment(NEWEST, dist("hen", "1", "egg"), dist("egg", "1", "hen")))
    assert {"hen", "egg"} & set(at.roots)


def test_what_no_index_has_is_left_aside_with_the_reason_and_its_wishes_are_heard() -> None:
    facts = environment(
        NEWEST,
        dist("editable", "1.0", "numpy<2.4", direct_url=DirectUrl(kind="file", editable=True, commit=None)),
        dist("cloned", "1.0", direct_url=DirectUrl(kind="vcs", editable=False, commit="abc")),
        dist("own-build", "1.0", wheel_tags=("cp311-cp311-linux_x86_64",)),
        dist("other-index", "1.0+cu126"),
        dist("odd", "not a version"),
        dist("pip", "25.0"),
    )
    at = ground(facts)
    assert at.aside == {
        "editable": "it is an editable install",
        "cloned": "it was installed from a version control system",
        "own-build": "it was built on this machine",
        "other-index": "1.0+cu126 is a build of another index",
        "odd": "its name or version is none that an index could have",
        "pip": "it manages the environment",
    }
    assert at.wishes == ("numpy<2.4",)
    asked = question(at, Goal(), {}, (), strict=True, index=Index())
    assert "numpy<2.4" in asked.constraints
    assert "editable ; python_version < '3'" in asked.overrides
    assert not [line for line in (*asked.requirements, *asked.preferences) if line.startswith(("editable", "cloned"))]


def test_what_must_move_is_asked_of_the_index_whatever_it_is_now() -> None:
    facts = put(environment(NEWEST), dist("torch", "2.13.0+cpu"))
    assert "torch" in ground(facts).aside
    assert "torch" not in ground(facts, {"torch"}).aside


def test_a_strict_question_pins_all_but_what_may_move_and_a_loose_one_only_prefers() -> None:
    at = ground(environment(VLLM_0_7))
    goal = Goal(install={"transformers": "<5"})
    strict = question(at, goal, {"vllm": "0.7.0"}, {"tokenizers"}, strict=True, index=Index())
    assert "transformers<5" in strict.requirements
    assert "vllm==0.7.0" in strict.requirements
    assert "huggingface-hub==2.4.0" in strict.constraints
    assert not [line for line in strict.constraints if line.startswith(("tokenizers", "transformers"))]
    loose = question(at, goal, {}, (), strict=False, index=Index())
    assert loose.constraints == ()
    assert loose.preferences["huggingface-hub"] == "2.4.0"


def test_what_exact_pins_tie_to_a_goal_may_move_with_it_and_torch_takes_its_libraries_along() -> None:
    facts = environment(NEWEST)
    assert {"torch", "triton", "nvidia-cublas"} <= followers(facts, Goal(install={"vllm": "==0.19.1"}), ())
    assert "numpy" not in followers(facts, Goal(install={"vllm": "==0.19.1"}), ())
    assert brought_by_torch(facts) == {"triton", "nvidia-cublas"}


def test_the_platform_is_the_newest_that_uv_knows_and_the_glibc_carries() -> None:
    def on(libc: Libc, arch: str = "x86_64") -> Facts:
        return edit(healthy(), host__libc=Known(libc, "ldd"), host__arch=Known(arch, "uname"))

    assert platform(on(Libc("glibc", "2.35"))) == "x86_64-manylinux_2_35"
    assert platform(on(Libc("glibc", "2.30"))) == "x86_64-manylinux_2_28"
    assert platform(on(Libc("glibc", "2.99"))) == "x86_64-manylinux_2_40"
    assert platform(on(Libc("glibc", "2.39"), "aarch64")) == "aarch64-manylinux_2_39"
    assert platform(on(Libc("musl", "1.2"))) == "x86_64-unknown-linux-musl"
    assert platform(on(Libc("glibc", "2.5"))) is None
    assert platform(edit(healthy(), host__libc=Unknown("no answer"))) is None


def test_a_backend_of_the_goal_is_asked_unless_the_user_named_one() -> None:
    at = ground(environment(NEWEST))
    goal = Goal(install={"torch": "==2.13.0"}, backend="cu126")
    assert question(at, goal, {}, (), strict=False, index=Index()).index.torch_backend == "cu126"
    assert question(at, goal, {}, (), strict=False, index=Index(torch_backend="cu128")).index.torch_backend == "cu128"


def test_of_a_lock_only_the_stack_is_asked_for_because_it_does_not_say_who_requires_whom() -> None:
    lock = edit(environment(NEWEST, dist("filelock", "3.0")), target__spec="lock:h100")
    assert set(ground(lock).roots) == {name for name in NEWEST if name not in {"triton", "nvidia-cublas"}}
