"""The base: a digest, never a tag that moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.errors import UserError
from envdoctor.images.asked import Base
from envdoctor.images.bases import LOCAL, resolved

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
PINNED = Base(image="nvidia/cuda:13.0.1-base-ubuntu24.04", digest=DIGEST)


def nobody(reference: str) -> str:
    raise AssertionError(f"nobody had to be asked for {reference}")


def test_a_base_that_image_toml_pins_needs_no_registry_and_no_context() -> None:
    found = resolved(PINNED, None, nobody)
    assert (found.base, found.context) == (PINNED, None)


def test_a_tag_without_digest_is_resolved_and_the_build_stands_on_the_digest() -> None:
    asked: list[str] = []
    found = resolved(Base(image="ubuntu:24.04"), "debian:bookworm-20261101", lambda name: asked.append(name) or OTHER)  # type: ignore[func-returns-value]
    assert asked == ["debian:bookworm-20261101"]
    assert found.base == Base(image="debian:bookworm-20261101", digest=OTHER)
    assert found.context == f"docker-image://debian:bookworm-20261101@{OTHER}"


def test_a_base_of_image_toml_without_digest_is_resolved_from_its_tag() -> None:
    found = resolved(Base(image="ubuntu:24.04"), None, lambda _: OTHER)
    assert (found.base.digest, found.context, found.how) == (OTHER, None, "resolved from its tag now")


def test_a_base_named_by_digest_is_taken_at_its_word() -> None:
    found = resolved(PINNED, f"127.0.0.1:5000/base@{OTHER}", nobody)
    assert found.base == Base(image="127.0.0.1:5000/base", digest=OTHER)
    assert found.context == f"docker-image://127.0.0.1:5000/base@{OTHER}"


def test_a_local_layout_leaves_no_path_in_the_image(tmp_path: Path) -> None:
    blob = tmp_path / "blobs" / "sha256" / OTHER.removeprefix("sha256:")
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"{}")
    found = resolved(PINNED, f"oci-layout://{tmp_path}@{OTHER}", nobody)
    assert found.base == Base(image=LOCAL, digest=OTHER)
    assert found.context == f"oci-layout://{tmp_path}@{OTHER}"


def test_a_local_layout_that_lacks_the_digest_is_refused_before_the_engine_is_asked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no sha256:bbbb"):
        resolved(PINNED, f"oci-layout://{tmp_path}@{OTHER}", nobody)


def test_a_local_layout_without_digest_is_read() -> None:
    found = resolved(PINNED, "oci-layout:///place", lambda name: OTHER if name == "oci-layout:///place" else DIGEST)
    assert found.context == f"oci-layout:///place@{OTHER}"


@pytest.mark.parametrize("wish", ["ubuntu", "ubuntu:latest", "127.0.0.1:5000/base", "nvidia/cuda:latest", "x/y:nightly"])
def test_a_floating_base_is_refused_with_what_to_name_instead(wish: str) -> None:
    with pytest.raises(UserError, match="floats") as refused:
        resolved(PINNED, wish, nobody)
    assert "@sha256:" in refused.value.hint


@pytest.mark.parametrize("wish", ["--privileged", "a b", "x@sha256:12", "oci-layout:///x@latest", "UPPER:1"])
def test_what_is_no_image_is_refused(wish: str) -> None:
    with pytest.raises(UserError, match=r"no image|no digest"):
        resolved(PINNED, wish, nobody)
