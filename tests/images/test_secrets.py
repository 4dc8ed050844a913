"""What a build must know and no image may keep."""

from __future__ import annotations

import configparser
import os
import stat
from typing import TYPE_CHECKING

import pytest
import tomlkit

from envdoctor.errors import UserError
from envdoctor.images.secrets import handed
from envdoctor.resolver import Index

if TYPE_CHECKING:
    from pathlib import Path

MINE = "https://me:secret@index.example/simple"
MORE = "https://more.example/simple"


def test_nothing_is_handed_in_where_nothing_is_set() -> None:
    with handed(Index(), None, {}) as found:
        assert found == {}


def test_indexes_reach_uv_and_pip_and_no_file_is_left() -> None:
    with handed(Index(default=MINE, extra=(MORE,)), None, {}) as found:
        with open(found["uv"], encoding="utf-8") as file:
            rows = tomlkit.load(file).unwrap()["index"]
        assert rows == [{"url": MORE}, {"url": MINE, "default": True}]
        pip = configparser.RawConfigParser()
        pip.read(found["pip"])
        assert (pip["global"]["index-url"], pip["global"]["extra-index-url"]) == (MINE, MORE)
        assert stat.S_IMODE(os.stat(found["uv"]).st_mode) == 0o600
        kept = found.values()
    assert not any(os.path.exists(path) for path in kept)


def test_the_index_that_uv_or_pip_is_told_by_a_variable_counts() -> None:
    with handed(Index(), None, {"PIP_INDEX_URL": MINE}) as found, open(found["uv"], encoding="utf-8") as file:
        assert MINE in file.read()


def test_the_bundle_of_a_tls_proxy_is_taken_from_the_environment(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    with handed(Index(), None, {"SSL_CERT_FILE": str(bundle), "REQUESTS_CA_BUNDLE": "/nowhere"}) as found:
        assert found == {"ca": str(bundle)}


def test_a_bundle_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"), handed(Index(), str(tmp_path / "none.pem"), {}):
        pass
