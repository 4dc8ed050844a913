"""A repair is made whole or not at all."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NoReturn

import pytest

from envdoctor.applying.installed import installed
from envdoctor.applying.repairs import Outcome, apply, forget, kept, pending, resume, undo
from envdoctor.errors import UserError
from tests.applying import world
from tests.applying.wheels import AFTER, BEFORE

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.applying.repairs import Applied
    from envdoctor.plans import Repair
    from tests.applying.conftest import Home


def healthy() -> tuple[str, ...]:
    return ()


def applied(home: Home, plan: Repair | None = None, recheck: Callable[[], tuple[str, ...]] = healthy) -> Applied:
    said: list[str] = []
    return apply(home.python, str(home.prefix), plan or world.repair(), recheck, said.append, world.index_of(home.url))


def versions(home: Home) -> dict[str, str]:
    return {one.name: one.version for one in installed(str(home.prefix))}


def test_a_repair_brings_moves_and_removes(home: Home) -> None:
    assert versions(home) == BEFORE
    done = applied(home)
    assert done.outcome is Outcome.REPAIRED
    assert versions(home) == AFTER
    says = subprocess.run((home.prefix / "bin/alpha",), capture_output=True, text=True, check=True).stdout
    assert says == "alpha 2.0\n"
    assert subprocess.run((home.prefix / "bin/alpha-tool",), capture_output=True, text=True, check=True).stdout == "tool 2.0\n"
    site = world.site(home.prefix)
    assert not (site / "alpha/old.py").exists()
    assert (site / "alpha/notes.txt").exists()  # the user's own file in a package's folder stays
    assert not (site / "goes.pth").exists()
    assert (home.prefix / "share/fresh/more.txt").read_text() == "more\n"


def test_a_file_of_two_owners_stays_with_the_one_that_stays(home: Home) -> None:
    done = applied(home)
    assert (world.site(home.prefix) / "space/both.py").read_bytes() == b"WHOSE = 'shared'\n"
    assert any("space/both.py" in note for note in done.notes)


def test_undo_gives_back_every_byte_mode_link_and_time(home: Home) -> None:
    applied(home)
    assert home.now() != home.before
    assert undo(str(home.prefix), print).outcome is Outcome.RESTORED
    assert home.now() == home.before
    assert not (home.prefix / ".envdoctor").exists()


def test_undo_takes_back_what_came_later_too(home: Home) -> None:
    applied(home)
    (world.site(home.prefix) / "later.py").write_text("x")
    (world.site(home.prefix) / "stays" / "secret.txt").unlink()
    assert undo(str(home.prefix), print).lost == ()
    assert home.now() == home.before


def test_an_edit_of_a_script_after_the_repair_is_undone(home: Home) -> None:
    applied(home)
    with (home.prefix / "bin/alpha-tool").open("a") as file:
        file.write("# edited\n")
    with (world.site(home.prefix) / "local.pth").open("a") as file:
        file.write("# edited\n")
    assert undo(str(home.prefix), print).lost == ()
    assert home.now() == home.before


def test_what_was_written_into_a_shared_file_is_named_and_nothing_else_is_lost(home: Home) -> None:
    applied(home)
    with (world.site(home.prefix) / "stays/secret.txt").open("a") as file:
        file.write("edited in place")
    lost = undo(str(home.prefix), print).lost
    assert len(lost) == 2  # it has two names
    assert all("stays/se" in one and "written into" in one for one in lost)
    different = {path for path, one in home.now().items() if home.before.get(path) != one}
    assert different == {
        str((world.site(home.prefix) / "stays" / name).relative_to(home.prefix)) for name in ("secret.txt", "second-name.txt")
    }


def test_errors_after_the_change_undo_it(home: Home) -> None:
    done = applied(home, recheck=lambda: ("numpy is too new",))
    assert (done.outcome, done.errors) == (Outcome.RESTORED, ("numpy is too new",))
    assert home.now() == home.before


def test_a_judge_that_crashes_undoes_it_and_the_crash_is_told(home: Home) -> None:
    def crash() -> NoReturn:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        applied(home, recheck=crash)
    assert home.now() == home.before
    assert pending(str(home.prefix)) is None


def test_a_wrong_hash_is_noticed_before_anything_is_touched(home: Home) -> None:
    with pytest.raises(UserError, match="could not be fetched"):
        applied(home, world.repair(hashes={"alpha": "0" * 64}))
    assert home.now() == home.before
    assert not (home.prefix / ".envdoctor").exists()


def test_a_failed_fetch_keeps_what_undoes_the_repair_before(home: Home) -> None:
    applied(home)
    with pytest.raises(UserError, match="could not be fetched"):
        applied(home, world.repair({"stays": ("1.0", "1.0")}, hashes={"stays": "0" * 64}))
    assert kept(str(home.prefix)) is not None
    undo(str(home.prefix), print)
    assert home.now() == home.before


def test_a_second_repair_replaces_what_undoes_the_first(home: Home) -> None:
    applied(home)
    between = home.now()
    applied(home, world.repair({"comes": ("3.0", None)}))
    undo(str(home.prefix), print)
    assert home.now() == between
    with pytest.raises(UserError, match="no repair"):
        undo(str(home.prefix), print)


def test_a_distribution_that_does_not_move_as_planned_undoes_it(home: Home) -> None:
    plan = world.repair({"comes": (None, "3.0"), "not-there": ("1.0", None)})
    assert applied(home, plan).outcome is Outcome.REPAIRED  # it is gone, as planned
    undo(str(home.prefix), print)
    info = world.site(home.prefix) / "goes-1.0.dist-info"
    (info / "RECORD").unlink()
    home_now = home.now()
    done = applied(home)
    assert done.outcome is Outcome.RESTORED
    assert "RECORD" in (done.why or "")
    assert home.now() == home_now


def test_forget_drops_the_snapshot_and_nothing_else(home: Home) -> None:
    applied(home)
    after = home.now()
    assert kept(str(home.prefix)) is not None
    assert forget(str(home.prefix)) > 0
    assert kept(str(home.prefix)) is None
    assert home.now() == after
    assert not (home.prefix / ".envdoctor").exists()


def test_nothing_to_resume_or_undo_is_said(home: Home) -> None:
    for ask in (
        lambda: undo(str(home.prefix), print),
        lambda: resume(str(home.prefix), healthy, print),
        lambda: forget(str(home.prefix)),
    ):
        with pytest.raises(UserError, match=r"no repair|no snapshot"):
            ask()
    assert home.now() == home.before
    assert not (home.prefix / ".envdoctor").exists()


def test_the_freeze_has_hashes_and_no_address(home: Home) -> None:
    applied(home)
    text = (home.prefix / ".envdoctor/fix/freeze.txt").read_text()
    assert "alpha==1.0 --hash=sha256:" in text
    assert text.count("--hash") == len(BEFORE)
    for path in (home.prefix / ".envdoctor").rglob("*.*"):
        if path.is_file() and path.suffix in {".json", ".txt"} and "before" not in path.parts:
            assert "127.0.0.1" not in path.read_text()


def test_what_a_plan_leaves_is_written_down_for_who_resumes(home: Home) -> None:
    seen: list[tuple[str, ...]] = []

    def look() -> tuple[str, ...]:
        found = pending(str(home.prefix))
        assert found is not None
        seen.append(found.leaves)
        return ()

    apply(home.python, str(home.prefix), world.repair(), look, print, world.index_of(home.url), ("ED102 __driver",))
    assert seen == [("ED102 __driver",)]


def test_the_user_is_told_what_the_snapshot_holds_and_how_to_drop_it(home: Home) -> None:
    said: list[str] = []
    apply(home.python, str(home.prefix), world.repair(), healthy, said.append, world.index_of(home.url))
    assert any(line.startswith("Snapshot of") and "really copied" in line for line in said)
    assert said[-1].endswith("envdoctor fix --forget drops it.")
