"""The page and the JSON of a plan, at 80 columns, with a hostile record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.examine import Wishes, examine
from envdoctor.findings import Evidence
from envdoctor.fixing.commands import commands
from envdoctor.fixing.contradiction import Clash
from envdoctor.fixing.costs import Cost
from envdoctor.fixing.planning import Answer, Planned
from envdoctor.fixing.shown import Shown
from envdoctor.plans import Move, Repair
from envdoctor.render import Page
from envdoctor.render.repair import gigabytes, render
from envdoctor.render.repair_json import document
from envdoctor.resolver import File, Pinned
from tests.factory import MATRIX, dist, edit, healthy, put
from tests.fixing.planned import NEWEST, environment

if TYPE_CHECKING:
    from envdoctor.facts import Facts

MOVES = (
    Move(name="vllm", before="0.31.0", after="0.19.1", why="ED102 driver 535 is too old", download_bytes=433_132_101),
    Move(name="gguf", before=None, after="0.19.0", why="what changes here needs it", download_bytes=None),
    Move(name="triton", before="3.7.1", after="3.6.0", why="torch 2.10.0 asks for triton==3.6.0", download_bytes=188_266_850),
    Move(name="cuda-toolkit", before="13.0.3", after=None, why="nothing needs it any more", download_bytes=0),
)
ADDRESS = "http://user:hunter2@127.0.0.1/simple/vllm.whl"


def shown(facts: Facts, moves: tuple[Move, ...] = MOVES, **more: Any) -> Shown:
    """A page with one plan that mends what is found in the facts."""
    report = examine(facts, MATRIX, Wishes(), time.monotonic())[1]
    pin = Pinned("vllm", "0.19.1", (File("vllm-0.19.1-cp38-abi3-manylinux1_x86_64.whl", "a" * 64, 5, None, ADDRESS),))
    repair = Repair(moves=moves, pins=(pin,), mends=report.diagnoses, leaves=(), commands=commands(facts, moves), resolved_s=1.25)
    plan = Planned(
        repair=repair,
        cost=Cost(0, 0, 2, 26, 3, 1, repair.download_bytes),
        untold=tuple(f"ED30{number} open?" for number in range(6)),
        warnings=(),
        aside={"mine": "it is an editable install", "pip": "it manages the environment"},
        backend=None,
        supposed={},
    )
    answer = Answer(
        plans=(plan,), wanted=report.diagnoses, others=(), asked=False, failed=(), resolved_s=1.25, questions=2, seconds=2.5
    )
    return Shown(report=report, answer=answer, keep={"trl": "1.13.0"}, **more)


def on_535() -> Facts:
    return environment(NEWEST, driver="535.161.08", api="12.2")


def test_the_page_tells_what_changes_what_it_costs_and_what_is_open() -> None:
    text = render(shown(on_535()), on_535(), Page())
    words = " ".join(text.split())
    assert "PLAN mends ED102: driver 535.161.08 is too old for CUDA 13.0" in words
    assert "vllm 0.31.0 -> 0.19.1 ED102 driver 535 is too old" in words
    assert "gguf (new) -> 0.19.0" in words
    assert "cuda-toolkit 13.0.3 -> (removed)" in words
    assert "0.62 GB to download, 2 packages changed, 1 new, 1 removed; the index tells no size of 1 file" in words
    assert "mine: it is an editable install; it is left as it is" in words
    assert "and 2 more (-v shows them)" in words
    assert "Update the NVIDIA driver on the host to 580.65.06 or newer" in words
    assert "an administrator of the machine; instead, for ED102" in words
    assert "Kept: trl 1.13.0; and the driver and the GPU, always." in words
    assert "127.0.0.1" not in text


def test_the_libraries_of_torch_are_one_line_unless_all_is_asked_for() -> None:
    brief, whole = render(shown(on_535()), on_535(), Page()), render(shown(on_535()), on_535(), Page(verbose=True))
    assert "CUDA libraries and triton, as torch asks: 1 change" in " ".join(brief.split())
    assert "torch 2.10.0 asks for triton==3.6.0" not in brief
    assert "torch 2.10.0 asks for triton==3.6.0" in " ".join(whole.split())


def test_only_commands_are_wider_than_the_page() -> None:
    for line in render(shown(on_535()), on_535(), Page()).splitlines():
        assert len(line) <= 80 or line.startswith("            "), line


def test_commands_stand_in_both_forms_and_remove_before_they_install() -> None:
    lines = [line.split() for line in render(shown(on_535()), on_535(), Page()).splitlines() if line.startswith("            ")]
    assert [line[:3] for line in lines[:2]] == [["uv", "pip", "uninstall"], ["uv", "pip", "install"]]
    assert "--no-deps" in lines[1]
    assert lines[1][-3:] == ["vllm==0.19.1", "gguf==0.19.0", "triton==3.6.0"]
    assert [line[line.index("pip") :][:1] for line in lines[2:4]] == [["pip"], ["pip"]]
    assert "-y" in lines[2]


def test_control_characters_of_a_record_do_not_reach_the_terminal() -> None:
    evil = Move(name="a\x1b[2J", before="1\x07", after="2", why="\u202eevil", download_bytes=0)
    text = render(shown(on_535(), (evil,)), on_535(), Page())
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_without_a_plan_both_facts_and_uvs_own_words_are_there_for_who_asks() -> None:
    made = shown(on_535())
    clash = Clash(says="a==1 depends on b==2 and you require b==1.", original="Because a==1 ...\nAnd because ...")
    made = msgspec.structs.replace(made, answer=msgspec.structs.replace(made.answer, plans=()), clash=clash)
    brief, whole = render(made, on_535(), Page()), render(made, on_535(), Page(verbose=True))
    assert made.status == 3
    assert "a==1 depends on b==2 and you require b==1." in brief
    assert "And because ..." not in brief
    assert "    And because ..." in whole
    facts = msgspec.structs.replace(made, clash=Clash(says="two", facts=(Evidence("loaded driver", "535", "/proc"),)))
    assert "seen    loaded driver: 535  [/proc]" in render(facts, on_535(), Page())


def test_nothing_to_mend_is_said_with_what_could_not_be_answered() -> None:
    facts = healthy()
    report = examine(facts, MATRIX, Wishes(), time.monotonic())[1]
    answer = Answer(plans=(), wanted=(), others=(), asked=False, failed=(), resolved_s=0.0, questions=0, seconds=0.0)
    made = Shown(report=report, answer=answer, keep={})
    assert made.status == 0
    assert render(made, facts, Page()).splitlines()[-1] == "Nothing to mend was found."


def test_in_a_root_folder_commands_are_lines_of_its_dockerfile_and_a_lock_is_made_anew() -> None:
    root = edit(put(on_535(), dist("pip", "25.0")), target__spec="root:/mnt::/opt/venv")
    assert all(argv[0] == "RUN" for argv in commands(root, MOVES))
    lock = edit(on_535(), target__spec="lock:h100")
    assert commands(lock, MOVES) == (("envdoctor", "lock", "h100", "--vllm", "0.19.1"),)


def test_the_json_has_every_move_and_file_and_no_address() -> None:
    said = document(shown(on_535()), on_535(), Page())
    (plan,) = said["plans"]
    assert [one["name"] for one in plan["moves"]] == ["vllm", "gguf", "triton", "cuda-toolkit"]
    assert plan["files"] == [
        {"name": "vllm", "version": "0.19.1", "file": "vllm-0.19.1-cp38-abi3-manylinux1_x86_64.whl", "sha256": "a" * 64}
    ]
    assert len(plan["cannot_be_told"]) == 6
    assert plan["commands"]["other"] == []
    assert said["status"] == 1
    assert "127.0.0.1" not in str(said)


def test_sizes_are_written_in_units_that_tell_them_apart() -> None:
    assert gigabytes(4_911_200_430) == "4.91 GB"
    assert gigabytes(15_317_529) == "0.02 GB"
    assert gigabytes(566_395) == "0.6 MB"
