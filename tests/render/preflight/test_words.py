"""What all renderers of a preflight share: the registry, and the words of every page."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from envdoctor.preflight.outcome import Place
from envdoctor.render import Page
from envdoctor.render.preflight import FORMATS, RENDERERS
from envdoctor.render.preflight.words import commands, lasting, listed, place_of, writing
from tests.preflight.made import drifted
from tests.render.preflight.cases import changed, flooded


def test_a_renderer_is_imported_only_when_it_is_asked_for() -> None:
    assert tuple(RENDERERS) == FORMATS
    told = "import sys; import envdoctor.render.preflight; print([m for m in sys.modules if m.startswith('envdoctor.render.preflight.')])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0.00 s"), (0.65, "0.65 s"), (6.3, "6.3 s"), (77.2, "77 s"), (299, "299 s"), (720, "12 min")],
)
def test_a_time_is_told_as_exactly_as_it_matters(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


def test_names_are_listed_as_in_a_sentence() -> None:
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("lock", "path"),
    [("h100", "~/venvs/grpo"), (None, "~/venvs/grpo"), ("lockfiles/h100.txt", "lockfiles/h100.txt"), ("h100.toml", "h100.toml")],
)
def test_a_problem_without_a_place_points_to_the_lock_s_file_or_to_the_target(lock: str | None, path: str) -> None:
    found = changed(drifted(), lock=lock)
    first, *_, last = found.problems
    assert place_of(first, found) == Place("lockfiles/h100.txt", 152)
    assert place_of(last, found) == Place(path, 1)


def test_half_a_command_or_line_is_never_shown() -> None:
    one = msgspec.structs.replace(drifted().problems[0], commands=(("a", "x" * 5000),), write=("y" * 5000,) * 22)
    assert list(commands(one)) == ["# a command of 5002 characters is not shown; --report json=FILE has it"]
    lines = list(writing(one))
    assert lines[0] == "# a line of 5000 characters is not shown; --report json=FILE has it"
    assert lines[-1] == "# and 2 more lines; --report json=FILE has all"


@pytest.mark.parametrize("form", [name for name in FORMATS if name not in {"html", "json"}])
def test_past_its_limit_a_page_grows_no_more(form: str) -> None:
    pages = [RENDERERS[form](flooded(count), Page()) for count in (6000, 9000)]
    assert abs(len(pages[1]) - len(pages[0])) < 100  # the numbers of what is left out have more digits
