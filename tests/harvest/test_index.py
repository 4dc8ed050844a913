"""Which index is read, and what its pages say."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from envdoctor.errors import UserError
from envdoctor.harvest import index as indexes
from envdoctor.harvest.index import configured, files
from envdoctor.harvest.remote import Unreadable
from tests.harvest.samples import metadata, sdist, wheel
from tests.harvest.server import HTML, JSON, endless, saying
from tests.probe.samples import put

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.harvest.index import File
    from envdoctor.harvest.remote import Client
    from tests.harvest.server import Index

WHEEL = "x-1.0-py3-none-any.whl"
SECRET = "http://user:s3cret@127.0.0.1:1/simple"  # noqa: S105 - what must not be shown


def read(index: Index, client: Client, project: str = "x") -> dict[Version, list[File]]:
    return files(client, indexes.Index(index.url, "--index"), project)


def only(index: Index, client: Client) -> File:
    ((one,),) = read(index, client).values()
    return one


# --- pages


@pytest.mark.parametrize("as_json", [True, False])
def test_a_page_lists_releases_with_their_files_in_both_formats(index: Index, client: Client, *, as_json: bool) -> None:
    index.json = as_json
    content = wheel("x", "1.0", metadata("x", "1.0"))
    attributes: dict[str, Any] = {"requires-python": ">=3.9,<4", "yanked": "broken", "upload-time": "2026-03-04T05:06:07.8Z"}
    index.add("x", WHEEL, content, metadata=b"said", attributes=attributes)
    index.add("x", "x-1.0.tar.gz", b"", hashed=False)
    index.add("x", "x-2.0-py3-none-any.whl", b"")
    found = read(index, client)
    assert [str(one) for one in found] == ["1.0", "2.0"]
    first, second = found[Version("1.0")]
    assert (first.name, first.kind, first.url) == (WHEEL, "wheel", f"{index.root}/files/x/{WHEEL}")
    assert (first.requires_python, first.yanked) == (">=3.9,<4", True)
    assert first.uploaded == ("2026-03-04" if as_json else None)
    assert first.sha256 is not None
    assert len(first.sha256) == 64
    assert first.metadata is not None
    assert len(first.metadata) == 64
    assert (second.kind, second.sha256, second.metadata, second.yanked) == ("sdist", None, None, False)


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("href", ["../../files/x/f.whl", "/files/x/f.whl", "{root}/files/x/f.whl", "//{host}/files/x/f.whl"])
def test_hrefs_may_be_relative_to_the_page_to_its_host_or_absolute(
    index: Index, client: Client, href: str, *, as_json: bool
) -> None:
    index.json = as_json
    host = index.root.removeprefix("http://")
    index.add("x", WHEEL, b"", href=href.format(root=index.root, host=host))
    assert only(index, client).url == f"{index.root}/files/x/f.whl"


def test_hrefs_are_relative_to_where_a_redirection_led(index: Index, client: Client) -> None:
    index.add("x", WHEEL, b"", href="../../files/x/f.whl")
    index.manners["/mirror/x/"] = saying(301, b"", Location=f"{index.url}/x/")
    found = files(client, indexes.Index(f"{index.root}/mirror/", "--index"), "x")
    assert found[Version("1.0")][0].url == f"{index.root}/files/x/f.whl"


def test_metadata_that_is_served_without_a_hash_has_none_to_compare(index: Index, client: Client) -> None:
    index.add("x", WHEEL, b"", attributes={"core-metadata": True})
    assert only(index, client).metadata == ""


def test_one_release_spelled_in_two_ways_is_one_release(index: Index, client: Client) -> None:
    for name in ("x-1.0-py3-none-any.whl", "x-1.0.0.tar.gz", "x-1.tar.gz"):
        index.add("x", name, b"")
    assert [len(of) for of in read(index, client).values()] == [3]


@pytest.mark.parametrize(
    "name",
    ["x-1.0rc1.tar.gz", "x-1.0.dev3-py3-none-any.whl", "x-1.0+cu118-py3-none-any.whl", "x-latest.tar.gz", "x-1.0-py3.9.egg",
     "x-1.0.linux-x86_64.tar.gz", "x-1.0.exe", "README.txt", "", "other-1.0-py3-none-any.whl", "x_y-1.0.tar.gz",
     "x-1.0-" + "a" * 400 + "-none-any.whl"],
)  # fmt: skip
def test_what_is_no_final_release_of_the_project_is_left_out(index: Index, client: Client, name: str) -> None:
    index.add("x", name, b"")
    assert read(index, client) == {}


def test_a_hash_that_is_none_and_a_range_too_long_to_be_meant_are_left_out(index: Index, client: Client) -> None:
    index.add(
        "x",
        WHEEL,
        b"",
        hashed=False,
        attributes={"hashes": {"sha256": "../../x", "md5": "0"}, "requires-python": ">=" + "1" * 5000},
    )
    one = only(index, client)
    assert (one.sha256, one.requires_python) == (None, None)


def test_a_page_without_any_release_is_empty_and_one_that_is_not_there_unreadable(index: Index, client: Client) -> None:
    index.pages["x"] = []
    assert read(index, client) == {}
    with pytest.raises(Unreadable, match="HTTP status 404"):
        read(index, client, "y")


@pytest.mark.parametrize("body", [b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"", b"<html><a>no link</a></html>", b"<a href=x>"])
def test_a_page_of_something_else_lists_nothing(index: Index, client: Client, body: bytes) -> None:
    index.manners["/simple/x/"] = saying(200, body, Content_Type="image/png")
    assert read(index, client) == {}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"files": 3}', b"[" * 100_000, b'{"meta":{"api-version":"9.0"},"name":"x","files":[]}',
             b'{"meta":{"api-version":"1.0"},"name":"x","files":[{"filename":"x-1.0.tar.gz","url":"http://[","hashes":{}}]}',
             b'{"meta":{"api-version":"1.0"},"name":"x","files":[{"filename":1}]}', b"\xff\xfe"],
)  # fmt: skip
def test_json_that_is_no_page_is_unreadable(index: Index, client: Client, body: bytes) -> None:
    index.manners["/simple/x/"] = saying(200, body, Content_Type=JSON)
    with pytest.raises(Unreadable, match="its page cannot be read"):
        read(index, client)


def test_a_page_without_end_is_left(index: Index, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "MAX_PAGE_BYTES", 1_000_000)
    index.manners["/simple/x/"] = endless
    with pytest.raises(Unreadable, match="more than 1000000 bytes"):
        read(index, client)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=120)
@given(st.binary(max_size=300) | st.text("<a href=x>/\"'!-&;\0", max_size=200).map(str.encode), st.sampled_from([HTML, JSON, ""]))
def test_random_bytes_as_a_page_are_a_page_or_unreadable(index: Index, client: Client, body: bytes, kind: str) -> None:
    index.manners["/simple/x/"] = saying(200, body, Content_Type=kind)
    with suppress(Unreadable):
        assert isinstance(read(index, client), dict)


ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "filename": st.text(max_size=30) | st.sampled_from([WHEEL, "x-1.0.tar.gz", "x-1!2.0.post1-cp3-abi3-any.whl"]),
        "url": st.text(max_size=20) | st.sampled_from(["http://[", "//", "data:x"]),
        "hashes": st.dictionaries(st.sampled_from(["sha256", "md5"]), st.text(max_size=10)),
        "requires-python": st.none() | st.text(max_size=10),
        "yanked": st.booleans() | st.text(max_size=5),
        "upload-time": st.sampled_from(["2026-01-01T00:00:00Z", "x", "0000-00-00", 5, -1e30]),
        "core-metadata": st.booleans() | st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=120)
@given(st.lists(ATTRIBUTES, max_size=3))
def test_random_files_on_a_page_are_read_or_unreadable(index: Index, client: Client, listed: list[dict[str, Any]]) -> None:
    base = {"filename": WHEEL, "url": "x", "hashes": {}}
    page = {"meta": {"api-version": "1.0"}, "name": "x", "files": [base | one for one in listed]}
    index.manners["/simple/x/"] = saying(200, json.dumps(page).encode(), Content_Type=JSON)
    with suppress(Unreadable):
        assert isinstance(read(index, client), dict)


# --- passwords


def test_a_password_in_the_address_is_sent_and_never_said(index: Index, client: Client) -> None:
    index.add("x", WHEEL, b"")
    index.manners["/simple/y/"] = saying(401)
    secret = indexes.Index(index.url.replace("http://", "http://user:s3cret@"), "--index")
    assert len(files(client, secret, "x")) == 1
    assert index.authorizations == {"Basic dXNlcjpzM2NyZXQ="}
    with pytest.raises(Unreadable) as why:
        files(client, secret, "y")
    assert "s3cret" not in str(why.value)
    with pytest.raises(Unreadable) as why:
        files(client, indexes.Index(SECRET, "--index"), "y")
    assert "s3cret" not in str(why.value)


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("href", ["../../files/x/f.whl", "{root}/files/x/f.whl"])
def test_a_password_of_the_index_is_sent_to_its_own_files(index: Index, client: Client, href: str, *, as_json: bool) -> None:
    index.json = as_json
    index.add("x", WHEEL, b"", href=href.format(root=index.root))
    secret = indexes.Index(index.url.replace("http://", "http://user:s3cret@"), "--index")
    ((one,),) = files(client, secret, "x").values()
    assert one.url == f"{index.root.replace('http://', 'http://user:s3cret@')}/files/x/f.whl"


@pytest.mark.parametrize(
    "href",
    [
        "http://127.0.0.2:{port}/f.whl",
        "http://127.0.0.1:1/f.whl",
        "https://127.0.0.1:{port}/f.whl",
        "http://a:b@127.0.0.1:{port}/f.whl",
    ],
)
def test_a_password_of_the_index_is_sent_to_no_other_server(index: Index, client: Client, href: str) -> None:
    href = href.format(port=index.server.server_port)
    index.add("x", WHEEL, b"", href=href)
    secret = indexes.Index(index.url.replace("http://", "http://user:s3cret@"), "--index")
    ((one,),) = files(client, secret, "x").values()
    assert one.url == href


@pytest.mark.parametrize(
    "address", ["user:s3cret@host/simple", "ftp://user:s3cret@host/", "http://user:s3cret@", "http://user:s3[cret@host/",
                "http://user:s3cret@h\u2100st/", "", "x", "name=ftp://s3cret", "http:///simple"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_without_being_shown(tmp_path: Path, address: str) -> None:
    with pytest.raises(UserError) as wrong:
        configured({}, str(tmp_path), address)
    assert "s3" not in wrong.value.what + wrong.value.hint
    assert "the package index given by --index is no http(s) address" in wrong.value.what
    assert wrong.value.__suppress_context__, "the message of what it came from has the address in it"


# --- which index


def uv_toml(url: str) -> str:
    return f'index-url = "{url}"\n'


def pip_conf(url: str) -> str:
    return f"[global]\nindex-url = {url}\n"


def test_uvs_settings_come_before_pips_and_variables_before_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, home, venv = tmp_path / "project" / "deep", tmp_path / "home", tmp_path / "venv"
    project.mkdir(parents=True)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path.replace("~", str(home)))
    environ = {
        "UV_DEFAULT_INDEX": "http://uv-default/simple", "UV_INDEX_URL": "http://uv-url/simple", "PIP_INDEX_URL": "http://pip-url/simple",
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "VIRTUAL_ENV": str(venv), "XDG_CONFIG_DIRS": f"{tmp_path}/b:{tmp_path}/a",
    }  # fmt: skip
    put(project / "uv.toml", uv_toml("http://uv-toml/simple"))
    put(project / "pyproject.toml", '[[tool.uv.index]]\nurl = "http://pyproject/simple"\ndefault = true\n')
    put(project.parent / "uv.toml", uv_toml("http://above/simple"))
    put(home / ".config" / "uv" / "uv.toml", uv_toml("http://users-uv/simple"))
    put(tmp_path / "pip.conf", pip_conf("http://pip-config-file/simple"))
    put(venv / "pip.conf", pip_conf("http://venv/simple"))
    put(tmp_path / "a" / "pip" / "pip.conf", pip_conf("http://site-a/simple"))
    put(tmp_path / "b" / "pip" / "pip.conf", pip_conf("http://site-b/simple"))
    put(home / ".config" / "pip" / "pip.conf", pip_conf("http://users-pip/simple"))
    put(home / ".pip" / "pip.conf", pip_conf("http://users-old-pip/simple"))

    def chosen(given: str | None = None) -> tuple[str, str]:
        found = configured(environ, str(project), given)
        return found.url, found.chosen

    assert chosen("http://given/simple") == ("http://given/simple", "--index")
    assert chosen() == ("http://uv-default/simple", "UV_DEFAULT_INDEX")
    del environ["UV_DEFAULT_INDEX"]
    assert chosen() == ("http://uv-url/simple", "UV_INDEX_URL")
    environ["UV_INDEX_URL"] = " "
    for path, url in (
        (project / "uv.toml", "http://uv-toml/simple"),
        (project / "pyproject.toml", "http://pyproject/simple"),
        (project.parent / "uv.toml", "http://above/simple"),
        (home / ".config" / "uv" / "uv.toml", "http://users-uv/simple"),
    ):
        assert chosen() == (url, str(path))
        path.unlink()
    assert chosen() == ("http://pip-url/simple", "PIP_INDEX_URL")
    del environ["PIP_INDEX_URL"]
    assert chosen() == ("http://pip-config-file/simple", str(tmp_path / "pip.conf"))
    (tmp_path / "pip.conf").unlink()
    for path, url in (
        (venv / "pip.conf", "http://venv/simple"),
        (home / ".config" / "pip" / "pip.conf", "http://users-pip/simple"),
        (home / ".pip" / "pip.conf", "http://users-old-pip/simple"),
        (tmp_path / "a" / "pip" / "pip.conf", "http://site-a/simple"),
        (tmp_path / "b" / "pip" / "pip.conf", "http://site-b/simple"),
    ):
        assert chosen() == (url, str(path))
        path.unlink()


def test_beside_pip_config_file_the_users_files_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path.replace("~", str(tmp_path)))
    put(tmp_path / ".config" / "pip" / "pip.conf", pip_conf("http://users-pip/simple"))
    put(tmp_path / "empty.conf")
    put(tmp_path / "etc" / "pip" / "pip.conf", pip_conf("http://site/simple"))
    environ = {"PIP_CONFIG_FILE": str(tmp_path / "empty.conf"), "XDG_CONFIG_DIRS": str(tmp_path / "etc")}
    assert configured(environ, str(tmp_path / "none")).url == "http://site/simple"
    assert configured({"PIP_CONFIG_FILE": os.devnull}, str(tmp_path / "none")).chosen == "the default"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ('[[index]]\nurl = "http://a/simple"\n[[index]]\nurl = "http://b/simple"\ndefault = true\n', "http://b/simple"),
        ('[[index]]\nurl = "http://a/simple"\n', None),
        ('[pip]\nindex-url = "http://a/simple"\n', "http://a/simple"),
        ("index-url = 5\n", None),
        ("index = 5\n", None),
        ("index = [5]\n", None),
        ("pip = 5\n", None),
        ("not toml", None),
        ("\xff", None),
    ],
)
def test_what_a_uv_toml_says_and_what_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, url: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    put(tmp_path / "uv.toml", text.encode("latin-1"))
    found = configured({"PIP_CONFIG_FILE": os.devnull}, str(tmp_path))
    assert found.url == url or (url is None and found.chosen == "the default")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("[global]\nindex-url = http://a/simple\n[install]\nindex-url = http://b/simple\n", "http://b/simple"),
        ("[global]\nindex_url = http://a/simple\n", "http://a/simple"),
        ("[global]\nindex-url = http://%40/simple\n", "http://%40/simple"),
        ("[global]\nindex-url =\n", None),
        ("[other]\nindex-url = http://a/simple\n", None),
        ("index-url = http://a/simple\n", None),
        ("[global\n", None),
        ("\xff", None),
    ],
)
def test_what_a_pip_conf_says_and_what_is_passed_over(tmp_path: Path, text: str, url: str | None) -> None:
    put(tmp_path / "pip.conf", text.encode("latin-1"))
    found = configured({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}, str(tmp_path / "none"))
    assert found.url == url or (url is None and found.chosen == "the default")


def test_uvs_name_of_an_index_is_left_out_and_a_query_is_kept(tmp_path: Path) -> None:
    assert configured({"UV_DEFAULT_INDEX": "mine=http://a/simple"}, str(tmp_path)).url == "http://a/simple"
    assert configured({}, str(tmp_path), "http://a/simple?x=1").url == "http://a/simple?x=1"


def test_an_sdist_and_a_wheel_are_told_apart_whatever_the_spelling_of_the_project(index: Index, client: Client) -> None:
    said = metadata("flash-attn", "1.0")
    index.add("flash-attn", "flash_attn-1.0.tar.gz", sdist("flash_attn", "1.0", said))
    index.add("flash-attn", "Flash.Attn-2.0-py3-none-any.whl", b"")
    index.add("flash-attn", "flash-attn-3.0.zip", b"")
    found = read(index, client, "flash-attn")
    assert [(str(version), of[0].kind) for version, of in found.items()] == [("1.0", "sdist"), ("2.0", "wheel"), ("3.0", "sdist")]
