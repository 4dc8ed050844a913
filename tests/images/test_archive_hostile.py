"""Whatever an archive holds: a :class:`UserError` that says what is wrong, and nothing else."""

from __future__ import annotations

import gzip
import json
import os
import random
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.errors import UserError
from envdoctor.images import archive, unpacked
from envdoctor.images.archive_diff import differences
from tests.images.layouts import DATA, INDEX, MANIFEST, Layout, entry, tar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIRST = tar(entry("etc/a", b"one"))
ONE = (DATA / "one.tar").read_bytes()
TWICE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(path: str, match: str, **how: bool) -> UserError:
    with pytest.raises(UserError, match=match) as caught:
        archive.read(path, **how)
    assert caught.value.hint
    return caught.value


def written(tmp_path: Path, body: bytes) -> str:
    path = tmp_path / "x.tar"
    path.write_bytes(body)
    return str(path)


def test_a_flipped_bit_in_a_layer_is_seen_when_it_is_verified_or_unpacked(tmp_path: Path) -> None:
    at = ONE.index(b"\x1f\x8b\x08") + 60
    path = written(tmp_path, ONE[:at] + bytes([ONE[at] ^ 1]) + ONE[at + 1 :])
    refused(path, "is damaged: sha256:")
    archive.read(path, verify=False)
    refused(path, "damaged|cannot be unpacked", verify=False, unpack=True)


def test_a_flipped_bit_in_a_manifest_is_always_seen(tmp_path: Path) -> None:
    at = ONE.index(b'"schemaVersion": 2') + 3
    refused(written(tmp_path, ONE[:at] + b"C" + ONE[at + 1 :]), "is damaged: sha256:", verify=False)


def test_a_config_that_lies_about_a_layer_is_seen_when_it_is_unpacked(tmp_path: Path) -> None:
    path = Layout(FIRST, rootfs={"diff_ids": ["sha256:" + "0" * 64]}).write(tmp_path / "x.tar")
    archive.read(path)
    refused(path, "unpacked, the layer .* is not sha256:000", unpack=True)


def test_an_archive_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    end = ONE.rindex(b"index.json") + 1024  # behind it stand the layout's version and padding
    for length in range(0, end, 100):
        path = written(tmp_path, ONE[:length])
        with pytest.raises(UserError):
            archive.read(path)


def test_a_layer_that_grows_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "MAX_UNPACKED", 1 << 22)
    layout = Layout(bytes(1 << 24))
    assert len(gzip.compress(bytes(1 << 24))) < 1 << 15
    refused(layout.write(tmp_path / "x.tar"), "has more than 0 GiB unpacked", unpack=True)


def _broken(change: Callable[[Layout], object]) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        layout = Layout(FIRST)
        change(layout)
        return layout.write(path)

    return make


def _remade(**fields: Any) -> Callable[[Layout], object]:
    return lambda layout: (layout.manifest.update(fields), layout.remade())


def _nested(layout: Layout) -> None:
    for _ in range(archive.MAX_DEPTH + 1):
        layout.index = {"manifests": [layout.described(layout.index, INDEX)]}


BROKEN: dict[str, tuple[Callable[[Layout], object], str]] = {
    "no image": (lambda one: one.index.update(manifests=[]), "holds no image"),
    "an index deep in indexes": (_nested, "nests its indexes"),
    "a manifest that is not there": (
        lambda one: one.index["manifests"][0].update(digest="sha256:" + "0" * 64),
        "lacks sha256:000",
    ),
    "a digest that is a path": (
        lambda one: one.index["manifests"][0].update(digest="sha256:../../etc/passwd"),
        "index.json cannot be",
    ),
    "another algorithm": (lambda one: one.index["manifests"][0].update(digest="sha512:" + "0" * 128), "index.json cannot be"),
    "a size below nothing": (lambda one: one.index["manifests"][0].update(size=-1), "index.json cannot be understood"),
    "another size": (lambda one: one.index["manifests"][0].update(size=1), "is damaged"),
    "an index that is a list": (lambda one: setattr(one, "index", []), "index.json cannot be understood"),
    "a layer too few": (_remade(layers=[]), "contradicts itself: its manifest has 0 layers, but its config speaks of 1"),
    "no config": (_remade(config=None), "cannot be understood"),
    "layers that are no list": (_remade(layers={"digest": 1}), "cannot be understood"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_contradicts_itself_is_refused(name: str, tmp_path: Path) -> None:
    change, match = BROKEN[name]
    refused(_broken(change)(tmp_path / "x.tar"), match)


def test_a_layer_of_another_size_than_its_manifest_says_is_refused(tmp_path: Path) -> None:
    layout = Layout(FIRST)
    layout.manifest["layers"][0]["size"] += 1
    refused(layout.remade().write(tmp_path / "x.tar"), "another size than its manifest says", verify=False)


def test_indexes_that_multiply_are_looked_at_once(tmp_path: Path) -> None:
    layout = Layout(FIRST)
    for _ in range(archive.MAX_DEPTH):
        layout.index = {"manifests": [layout.described(layout.index, INDEX)] * 200}  # 200 ** 4 ways to the image
    assert archive.read(layout.write(tmp_path / "x.tar")).layers


def test_a_layer_that_is_named_a_hundred_times_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    real = archive.Opened.measure

    def counted(tar: archive.Opened, digest: str, diff_id: str) -> int:
        measured.append(digest)
        return real(tar, digest, diff_id)

    monkeypatch.setattr(archive.Opened, "measure", counted)
    found = archive.read(Layout(*[FIRST] * 100).write(tmp_path / "x.tar"), unpack=True)
    assert len(measured) == 1
    assert found.unpacked_bytes == 100 * len(FIRST)


def test_more_layers_than_any_image_has_are_refused(tmp_path: Path) -> None:
    refused(Layout(*[FIRST] * (archive.MAX_LAYERS + 1)).write(tmp_path / "x.tar"), "more than 1000 layers")


def test_an_interrupt_ends_the_threads_that_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(tar: archive.Opened, digest: str, diff_id: str) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(archive.Opened, "measure", interrupted)
    path = Layout(FIRST).write(tmp_path / "x.tar")
    digest = archive.read(path).layers[0].digest
    with archive.opened(path) as tar_file:
        tar_file.verify(digest)
        with pytest.raises(KeyboardInterrupt):
            archive.described(tar_file, verify=False, unpack=True)
        assert tar_file.stopped
        with pytest.raises(UserError):  # a thread that was still at it comes to its end at once, without an answer
            tar_file.verify(digest)


@pytest.mark.parametrize("text", ["|1 " + "a=" * 1_000_000, "export a && " * 300_000, "if [ " + "]" * 1_000_000, " " * 4_000_000])
def test_an_instruction_without_end_costs_no_time(text: str) -> None:
    started = time.process_time()
    archive.instruction(f"RUN {text}")
    assert time.process_time() - started < 1


def test_a_document_larger_than_any_is_not_taken_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_JSON", 100)
    refused(Layout(FIRST).write(tmp_path / "x.tar"), "index.json has .* bytes; no such document is that large")


def test_deep_json_is_refused(tmp_path: Path) -> None:
    deep = b"[" * 200_000
    refused(written(tmp_path, tar(entry("index.json", b'{"manifests": [], "x": ' + deep))), "index.json cannot be understood")


def test_only_a_plain_file_of_that_very_name_is_the_index(tmp_path: Path) -> None:
    body = json.dumps(Layout(FIRST).index).encode()
    link = entry("index.json", type=b"2", linkname="/etc/passwd")
    refused(written(tmp_path, tar(link, entry("../index.json", body), entry("/index.json", body))), "no index.json")


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    refused(Layout(FIRST).write(tmp_path / "x.tar", entry("index.json", b"{}")), "has index.json twice")


def test_more_files_than_any_image_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ENTRIES", 2)
    refused(Layout(FIRST).write(tmp_path / "x.tar"), "more than 2 files")


def test_an_archive_that_is_compressed_as_a_whole_is_refused_with_the_command(tmp_path: Path) -> None:
    error = refused(written(tmp_path, gzip.compress(ONE)), "compressed as a whole")
    assert error.hint.startswith("Unpack it first: gunzip ")


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(str(tmp_path / "pipe"), "no regular file")
    refused(str(tmp_path), "no regular file")
    refused(str(tmp_path / "missing"), "cannot be read: No such file")


def test_names_that_move_the_cursor_are_shown_as_escapes(tmp_path: Path) -> None:
    name = "x\x1b[2Jy"
    error = refused(written(tmp_path, tar(entry(name), entry(name))), "twice")
    assert "\x1b" not in error.what
    assert "\\x1b" in error.what


@TWICE
@given(body=st.binary(max_size=3000))
def test_random_bytes_are_refused(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        archive.read(written(tmp_path, body), unpack=True)


@TWICE
@given(seed=st.integers(0, 1 << 32), count=st.integers(1, 8), fix=st.booleans())
def test_a_real_archive_with_changed_bytes_is_read_or_refused(seed: int, count: int, fix: bool, tmp_path: Path) -> None:
    """``fix``: the checksum of the header that was hit is mended, so that what is behind it is reached."""
    dice = random.Random(seed)  # noqa: S311 - a test
    body = bytearray(ONE)
    for _ in range(count):
        at = dice.randrange(len(body))
        body[at] = dice.choice((0, 0x80, 0xFF, ord("7"), ord("x"), dice.randrange(256)))
        header = at // 512 * 512
        if fix and body[header + 257 : header + 262] == b"ustar":
            body[header + 148 : header + 156] = b" " * 8
            body[header + 148 : header + 156] = b"%06o\0 " % sum(body[header : header + 512])
    path = written(tmp_path, bytes(body))
    for how in ({"verify": True}, {"verify": False, "unpack": True}):
        try:
            archive.read(path, **how)
        except UserError as error:
            assert error.hint  # noqa: PT017 - nothing else may be raised
    try:
        differences(path, str(DATA / "other.tar"))
    except UserError as error:
        assert error.hint  # noqa: PT017


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.just("sha256:" + "0" * 64),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["digest", "size", "mediaType", "platform", "x"]), inner)
    ),
    max_leaves=10,
)


@TWICE
@given(
    document=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("config", "layers", "annotations", "schemaVersion", "rootfs", "history"), JSON)
    ),
    where=st.sampled_from(["index", "manifest", "config"]),
)
def test_json_of_any_shape_is_read_or_refused(document: dict[str, Any], where: str, tmp_path: Path) -> None:
    if where == "config":
        layout = Layout(FIRST, **document)
    else:
        layout = Layout(FIRST)
        getattr(layout, where).update(document)
        layout.index["manifests"] = [layout.described(layout.manifest, MANIFEST)]
    path = layout.write(tmp_path / "x.tar")
    try:
        archive.read(path)
        differences(path, str(DATA / "one.tar"))
    except UserError as error:
        assert error.hint  # noqa: PT017
