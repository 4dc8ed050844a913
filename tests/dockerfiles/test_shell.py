"""Shell texts as simple commands."""

from __future__ import annotations

import shlex
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.dockerfiles.shell import Command, commands


def argvs(text: str) -> list[tuple[str, ...]]:
    return [one.argv for one in commands(text)]


def test_separators_part_commands_and_say_how_they_hang_together() -> None:
    found = commands("a && b || c; d | e &\nf")
    assert [one.argv for one in found] == [("a",), ("b",), ("c",), ("d",), ("e",), ("f",)]
    assert [one.after for one in found] == ["&&", "||", ";", "|", "&", ""]
    assert [one.before for one in found] == ["", "&&", "||", ";", "|", "&"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pip install 'torch>=2' \"a b\" c\\ d", ("pip", "install", "torch>=2", "a b", "c d")),
        ('echo "it\'s $(date +"%s") and `x y`"', ("echo", "it's $(...) and $(...)")),
        ("echo a#b # a comment && rm x", ("echo", "a#b")),
        ("a \\\n  b", ("a", "b")),
        ("echo ${X:-a b} $Y", ("echo", "${X:-a b}", "$Y")),
    ],
)
def test_words_lose_their_quotes_and_keep_what_is_not_known(text: str, words: tuple[str, ...]) -> None:
    assert argvs(text) == [words]


def test_assignments_before_a_command_are_not_its_words() -> None:
    (one,) = commands("A=1 B='x y' pip install z")
    assert (one.assigns, one.argv) == (("A=1", "B=x y"), ("pip", "install", "z"))


def test_redirections_are_not_words() -> None:
    (one,) = commands("pip install numpy>=1.24 2>&1 >/dev/null <in")
    assert one.argv == ("pip", "install", "numpy")
    assert (">", "=1.24") in one.redirects
    assert (">", "/dev/null") in one.redirects
    assert ("<", "in") in one.redirects


def test_a_here_document_in_a_script_is_not_run() -> None:
    found = commands("cat <<EOF > f\npip install x\nEOF\nb")
    assert [one.argv for one in found] == [("cat",), ("b",)]
    assert ("<<", "EOF") in found[0].redirects


def arms(text: str) -> dict[str, tuple[str, ...]]:
    return {one.argv[0]: one.arms for one in commands(text) if one.argv}


def test_branches_are_told_apart_and_what_is_on_none_has_no_arm() -> None:
    found = arms(
        "a; if b; then c; elif d; then e; else f; fi; g; for x in 1 2; do h; done; case $y in 1) i;; 2) j;; esac; k || l; m"
    )
    assert found["a"] == found["b"] == found["g"] == found["k"] == found["m"] == ()
    inside = [found[name] for name in "cefhijl"]
    assert all(inside)
    assert len(set(inside)) == len(inside)


def test_a_condition_is_one() -> None:
    found: dict[str, Command] = {one.argv[0]: one for one in commands("if a; then b; fi; ! c; while d; do e; done") if one.argv}
    assert {name for name, one in found.items() if one.condition} == {"a", "c", "d"}


def test_hostile_nesting_ends() -> None:
    assert commands("$(" * 20_000 + "a")
    assert commands("(" * 20_000 + "a")
    assert len(commands("a;" * 20_000)) == 5000


plain = st.lists(
    st.text(string.ascii_letters + string.digits + " '\"$#;&|<>()\\`*?", min_size=1, max_size=8), min_size=1, max_size=5
)


@given(plain)
def test_what_the_shell_module_quotes_is_read_back(words: list[str]) -> None:
    assert argvs(shlex.join(["run", *words])) == [("run", *words)]


@given(st.text(max_size=200))
def test_any_text_ends_with_offsets_inside_it(text: str) -> None:
    assert all(0 <= one.offset <= len(text) for one in commands(text))
