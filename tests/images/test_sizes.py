"""Sizes beside those of others: only what somebody has said in public, and only like with like."""

from __future__ import annotations

import re

import msgspec
import pytest

from envdoctor.images.sizes import comparison
from envdoctor.matrix import Matrix
from envdoctor.rows import ImageSize

MATRIX = Matrix()


@pytest.mark.parametrize("row", MATRIX.image_sizes(), ids=lambda row: row.image)
def test_a_row_names_a_tag_and_an_address_that_says_the_size(row: ImageSize) -> None:
    assert re.fullmatch(r"[a-z0-9./-]+:[A-Za-z0-9._-]+", row.image)
    assert row.source.startswith("https://")
    assert "rocm" not in row.image
    for size in (row.compressed_bytes, row.unpacked_bytes):
        assert size is None or 1e9 < size < 100e9
        # the number of the row is in what the source is quoted for
        assert size is None or re.search(rf"\b{size / 1e9:g} ?GB", row.source), row


def test_a_tag_that_floats_says_of_which_day_its_size_is() -> None:
    assert all(row.said is not None for row in MATRIX.image_sizes() if row.image.endswith(":latest"))


def test_like_is_compared_with_like_and_the_smallest_comes_first() -> None:
    both = comparison(5_000_000_000, 10_000_000_000, MATRIX)
    assert len(both) == len(MATRIX.image_sizes())
    ratios = [one.compressed_ratio or one.unpacked_ratio or 0 for one in both]
    assert ratios == sorted(ratios)
    by_name = {one.image: one for one in both}
    assert by_name["vllm/vllm-openai:v0.26.0"].compressed_ratio == pytest.approx(2.06)
    assert by_name["vllm/vllm-openai:v0.16.0"].unpacked_ratio == pytest.approx(2.629)
    assert by_name["vllm/vllm-openai:v0.16.0"].compressed_ratio is None


def test_what_was_not_measured_of_ours_is_left_out() -> None:
    assert all(one.theirs_compressed is not None for one in comparison(5_000_000_000, None, MATRIX))
    assert comparison(None, None, MATRIX) == ()
    assert comparison(0, 0, MATRIX) == ()


def test_a_comparison_reads_as_a_line() -> None:
    (line,) = [str(one) for one in comparison(5_000_000_000, None, MATRIX) if one.image.startswith("huggingface")]
    assert line == "huggingface/trl:latest (2026-08-02): 9.6 GB to pull, 1.9 times ours"


@pytest.mark.parametrize("size", [{}, {"compressed_bytes": 0}, {"unpacked_bytes": -1}, {"compressed_bytes": 1, "said": "in May"}])
def test_a_row_without_a_size_or_with_an_odd_day_does_not_load(size: dict[str, object]) -> None:
    row = {
        "image": "x/y:1",
        "compressed_bytes": None,
        "unpacked_bytes": None,
        "said": None,
        "source": "https://x",
        "read": "2026-11-26",
    }
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**row, **size}, ImageSize)
