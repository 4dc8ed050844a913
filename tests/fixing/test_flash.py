"""flash-attn is spoken of when a cause is about it, or when torch moves under it; else not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor.fixing.flash import about_flash_attn
from tests.factory import MATRIX, dist
from tests.fixing.planned import NEWEST, environment
from tests.render.test_repair import on_535, shown

if TYPE_CHECKING:
    from envdoctor.fixing.planning import Answer


def answer(**supposed: str) -> Answer:
    made = shown(on_535()).answer
    return msgspec.structs.replace(made, plans=(msgspec.structs.replace(made.plans[0], supposed=supposed),), wanted=())


def test_it_must_be_another_one_when_torch_moves() -> None:
    said = about_flash_attn(environment(NEWEST, dist("flash-attn", "2.8.3")), MATRIX, answer(torch="2.10.0", vllm="0.19.1"))
    assert said[0] == "flash-attn is compiled for one torch: with torch 2.10.0 it must be another one."
    assert any("vllm 0.19.1 brings its own FlashAttention" in one for one in said)


def test_nothing_is_said_where_it_is_not_installed_or_torch_stays() -> None:
    assert about_flash_attn(environment(NEWEST), MATRIX, answer(torch="2.10.0")) == ()
    assert about_flash_attn(environment(NEWEST, dist("flash-attn", "2.8.3")), MATRIX, answer(numpy="2.2.6")) == ()
