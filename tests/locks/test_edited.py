"""A lock that is written over an edited one keeps the person's comments and order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.locks import edited, form
from tests.locks.sample import BOUND, h100, packages, small

if TYPE_CHECKING:
    from envdoctor.locks.document import Lock

FRESH = edited.document(form.tables(small()), None)


def over(old: str, lock: Lock) -> str:
    text = edited.document(form.tables(lock), old)
    assert form.read(text.encode()) == lock
    return text


def some(*names: str) -> Lock:
    return h100(packages=tuple(one for one in packages() if one.name in names), stack={})


def test_the_same_lock_changes_no_byte() -> None:
    assert over(FRESH, small()) == FRESH
    mine = FRESH.replace("[stack]", "# a note\n[stack]").replace('cuda = "13.0"', "cuda    = '13.0' # ours")
    assert over(mine, small()) == mine


def test_comments_stay_at_what_changes() -> None:
    mine = FRESH.replace('driver_floor = "580.65.06"', 'driver_floor = "580.65.06"  # the cluster has 590').replace(
        "\ntrl = {", "\n# trl: read the notes first\ntrl = {"
    )
    text = over(mine, small(driver_floor="590.10"))
    assert 'driver_floor = "590.10"  # the cluster has 590' in text
    assert "# trl: read the notes first\ntrl = {" in text
    assert text.replace("590.10", "580.65.06").count("\n") == mine.count("\n")


def test_a_package_s_own_comment_stays_when_its_hash_changes() -> None:
    line = next(line for line in FRESH.splitlines() if line.startswith("trl = {"))
    old = FRESH.replace(line, f"{line.replace('c4726e13', '00000000')}  # wait for 1.17")
    assert f"{line}  # wait for 1.17\n" in over(old, small())


def test_new_packages_come_where_the_alphabet_wants_them_and_others_go() -> None:
    text = over(FRESH, some("accelerate", "torch", "numpy", "z3-solver", "trl"))
    table = text[text.index("[packages]") :].splitlines()[1:]
    assert table[0].startswith("# One line a package")
    assert [line.split(" ")[0] for line in table[1:] if line] == ["accelerate", "numpy", "torch", "trl", "z3-solver"]


def test_a_person_s_order_of_tables_stays() -> None:
    stack = FRESH[FRESH.index("[stack]") : FRESH.index("[asked]")]
    mine = FRESH.replace(stack, "").replace("[packages]", f"{stack}[packages]")
    text = over(mine, small(made="2026-12-01"))
    assert text.index("[made]") < text.index("[stack]") < text.index("[packages]")


def test_bounds_come_and_go() -> None:
    without = over(FRESH, small(bounds=()))
    assert "bounds" not in without.replace("envdoctor", "")
    again = over(without, small(bounds=(BOUND, BOUND)))
    assert again.count("[[bounds]]") == 2


def test_what_somebody_added_is_taken_out_again_because_it_would_not_be_read() -> None:
    assert "mine" not in over(FRESH.replace("[stack]", "[mine]\na = 1\n\n[stack]"), small())


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        edited.document(form.tables(small()), "format = = 1")
