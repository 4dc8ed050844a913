"""An archive is read as what it is: real ones of BuildKit, and forms that other writers use."""

from __future__ import annotations

import bz2
import gzip
import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from envdoctor.errors import UserError
from envdoctor.images import archive, unpacked
from tests.images.layouts import AMD64, DATA, INDEX, MANIFEST, Layout, digest, entry, tar

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = tar(entry("etc/a", b"one")), tar(entry("etc/b", b"two" * 1000))


def real(name: str) -> str:
    return str(DATA / f"{name}.tar")


def test_an_archive_of_buildkit_is_read_with_the_instruction_behind_each_layer() -> None:
    found = archive.read(real("one"))
    assert found.digest == "sha256:fdf6b443f135164c9fe41679ffe0d8c1630d10603bda285600e9bbbe581061bf"
    assert found.config_digest == "sha256:7d05e9ece4776123ad0538bdb470bdb71444d655b06e20802004a5744eff90c1"
    # ENV stands between the two in its history, LABEL behind them: steps without a layer
    assert [one.created_by for one in found.layers] == ["COPY a /etc/a # buildkit", "COPY b /etc/b # buildkit"]
    assert [one.size_bytes for one in found.layers] == [128, 128]
    assert found.size_bytes == 256
    assert found.unpacked_bytes is None
    assert "SHADE=blue" in found.config["config"]["Env"]
    assert found.diff_ids == tuple(found.config["rootfs"]["diff_ids"])


def test_an_attestation_beside_the_image_does_not_change_what_it_is() -> None:
    assert archive.read(real("attested")) == archive.read(real("one"))


def test_an_archive_for_docker_load_is_read_too() -> None:
    assert len(archive.read(real("docker"), unpack=True).layers) == 2


def test_unpacked_sizes_are_told_where_they_are_asked_for() -> None:
    found = archive.read(real("one"), unpack=True)
    assert [one.unpacked_bytes for one in found.layers] == [2560, 2560]  # two headers, a block of content, two blocks at the end
    assert found.unpacked_bytes == 5120


def test_other_compressions_have_the_same_diff_ids() -> None:
    assert archive.read(real("level")).diff_ids == archive.read(real("zstd")).diff_ids == archive.read(real("one")).diff_ids


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python reads zstd")
def test_zstd_is_refused_with_what_to_do_where_this_python_cannot_unpack_it() -> None:
    with pytest.raises(UserError, match="zstd") as refused:
        archive.read(real("zstd"), unpack=True)
    assert "3.14" in refused.value.hint
    assert "compression=gzip" in refused.value.hint


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python reads zstd from 3.14 on")
def test_zstd_is_unpacked_where_this_python_can() -> None:
    assert archive.read(real("zstd"), unpack=True).unpacked_bytes == 5120


def test_a_decompressor_with_the_interface_of_zstd_is_driven_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of bz2 has the same interface and is in every Python."""
    monkeypatch.setattr(unpacked, "ZSTD", b"BZh9")
    monkeypatch.setattr(unpacked, "MAX_PIECE", 1000)
    monkeypatch.setitem(sys.modules, "compression.zstd", SimpleNamespace(ZstdDecompressor=bz2.BZ2Decompressor))
    layout = Layout(SECOND * 3, pack=lambda body: bz2.compress(body[:5000]) + bz2.compress(body[5000:]))
    assert archive.read(layout.write(tmp_path / "x.tar"), unpack=True).unpacked_bytes == len(SECOND * 3)


@pytest.mark.parametrize(
    "pack",
    [
        lambda body: body,
        gzip.compress,
        lambda body: gzip.compress(body[:700]) + gzip.compress(body[700:]),
        lambda body: gzip.compress(body) + bytes(512),
    ],
    ids=["not compressed", "gzip", "gzip in two members", "gzip and padding"],
)
def test_layers_are_unpacked_however_they_were_packed(pack: object, tmp_path: Path) -> None:
    found = archive.read(Layout(FIRST, SECOND, pack=pack).write(tmp_path / "x.tar"), unpack=True)
    assert [one.unpacked_bytes for one in found.layers] == [len(FIRST), len(SECOND)]
    assert found.diff_ids == (digest(FIRST), digest(SECOND))


def test_an_image_without_history_has_layers_of_which_nothing_is_claimed(tmp_path: Path) -> None:
    short = [{"created_by": "RUN one"}]
    for history in (None, short):
        found = archive.read(Layout(FIRST, SECOND, history=history).write(tmp_path / "x.tar"))
        assert [one.created_by for one in found.layers] == ["", ""]


def test_a_layer_that_is_there_twice_is_one_blob(tmp_path: Path) -> None:
    assert len(archive.read(Layout(FIRST, FIRST).write(tmp_path / "x.tar"), unpack=True).layers) == 2


def test_names_may_begin_with_a_dot_as_tar_writes_them(tmp_path: Path) -> None:
    layout = Layout(FIRST)
    path = tmp_path / "x.tar"
    files = [entry(f"./blobs/sha256/{name[7:]}", body) for name, body in layout.blobs.items()]
    path.write_bytes(tar(*files, entry("./index.json", json.dumps(layout.index).encode())))
    assert len(archive.read(str(path)).layers) == 1


def test_an_index_in_an_index_is_followed(tmp_path: Path) -> None:
    layout = Layout(FIRST)
    layout.index = {"manifests": [layout.described(layout.index, INDEX)]}
    assert archive.read(layout.write(tmp_path / "x.tar")).digest == digest(json.dumps(layout.manifest).encode())


def test_one_image_under_two_names_is_one(tmp_path: Path) -> None:
    layout = Layout(FIRST)
    layout.index["manifests"] *= 2
    assert archive.read(layout.write(tmp_path / "x.tar")).layers


def test_several_platforms_are_refused_with_their_names(tmp_path: Path) -> None:
    layout = Layout(FIRST)
    other = layout.described(
        {**layout.manifest, "annotations": {"x": "y"}}, MANIFEST, platform={**AMD64, "architecture": "arm64"}
    )
    layout.index["manifests"].append(other)
    layout.index["manifests"][0]["platform"] = AMD64
    with pytest.raises(UserError, match=r"2 images \(linux/amd64, linux/arm64\)") as refused:
        archive.read(layout.write(tmp_path / "x.tar"))
    assert "--platform" in refused.value.hint


def test_annotations_of_the_manifest_are_kept(tmp_path: Path) -> None:
    layout = Layout(FIRST)
    layout.manifest["annotations"] = {"org.example": "yes"}
    assert archive.read(layout.remade().write(tmp_path / "x.tar")).annotations == {"org.example": "yes"}


@pytest.mark.parametrize(
    ("created_by", "said"),
    [
        ("COPY a /etc/a # buildkit", "COPY a /etc/a"),
        ("RUN /bin/sh -c apt-get update && apt-get install x # buildkit", "RUN apt-get update && apt-get install x"),
        ("RUN /bin/sh -c if [ -f /run/ca ]; then export A=/run/ca; fi && export B=c && make it # buildkit", "RUN make it"),
        ("RUN |2 TOKEN=abc NAME=x y /bin/sh -c echo $NAME # buildkit", "RUN echo $NAME"),
        ("/bin/sh -c echo   old", "RUN echo old"),
        ("/bin/sh -c #(nop) ADD file:abc in / ", "/bin/sh -c #(nop) ADD file:abc in /"),
        ("RUN /bin/sh -c export A=b # buildkit", "RUN export A=b"),
        ("", ""),
    ],
)
def test_an_instruction_is_told_without_what_is_the_same_in_many(created_by: str, said: str) -> None:
    assert archive.instruction(created_by) == said


@pytest.mark.parametrize("name", ["one", "other", "docker"])
def test_the_layers_of_an_archive_tell_their_instruction(name: str) -> None:
    assert [one.instruction for one in archive.read(real(name)).layers] == ["COPY a /etc/a", "COPY b /etc/b"]
