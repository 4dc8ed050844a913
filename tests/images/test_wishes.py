"""What would only fail after minutes of building is refused at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.errors import UserError
from envdoctor.images.asked import Asked, Base
from envdoctor.images.wishes import Wishes, checked
from envdoctor.resolver import Index
from tests.locks.sample import h100

if TYPE_CHECKING:
    from pathlib import Path

ASKED = Asked(
    target="h100", says="One H100.", lock="h100", base=Base(image="debian:12.1"), python="python3.12", why={"base": "Small."}
)


@pytest.mark.parametrize(
    "tag", ["envdoctor/h100", "h100:1", "127.0.0.1:5000/a/b:2026-11-26", "registry.example/Team.x/h100:v1".lower()]
)
def test_a_name_for_an_image_is_taken(tag: str) -> None:
    checked(ASKED, h100(), Wishes(tag=tag))


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"tag": "Bad Tag"}, "no name for an image"),
        ({"tag": "--privileged"}, "no name for an image"),
        ({"push": True}, "--push needs a name"),
        ({"wheel_cache": "/nothing-of-this-name"}, "is not a folder"),
        ({"archive": "/nothing-of-this-name/x.tar"}, "no folder that you may write"),
        ({"index": Index(extra=("not a url",))}, "named by its address"),
        ({"ca_bundle": "/nothing-of-this-name.pem"}, "holds no certificates"),
    ],
)
def test_what_cannot_be_right_is_refused(wish: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        checked(ASKED, h100(), Wishes(**wish))


def test_a_file_without_certificates_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing\n")
    with pytest.raises(UserError, match="holds no certificates"):
        checked(ASKED, h100(), Wishes(ca_bundle=str(tmp_path / "ca.pem")))


def test_a_python_that_is_not_the_locks_is_refused() -> None:
    other = Asked(
        target="h100", says="x", lock="h100", base=Base(image="debian:12.1"), python="python3.11", why={"base": "Small."}
    )
    with pytest.raises(UserError, match=r"names python3\.11, and the lock of h100 is for Python 3\.12"):
        checked(other, h100(), Wishes())
