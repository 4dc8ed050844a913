"""Two archives: the same, or the file to blame."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.errors import UserError
from envdoctor.images import archive_diff, layer_diff
from envdoctor.images.archive_diff import Difference, differences
from envdoctor.images.layer_diff import compared
from envdoctor.images.tape import Entry, contents
from tests.images.layouts import DATA, Layout, entry, tar
from tests.images.test_archive_tape import Bytes

if TYPE_CHECKING:
    import tarfile
    from pathlib import Path


def real(first: str, second: str) -> list[str]:
    return [str(one) for one in differences(str(DATA / f"{first}.tar"), str(DATA / f"{second}.tar"))]


def layers(
    first: list[tuple[tarfile.TarInfo, bytes]], second: list[tuple[tarfile.TarInfo, bytes]]
) -> list[tuple[str | None, str]]:
    return [(one.path, one.what) for one in compared(contents(Bytes(tar(*first))), contents(Bytes(tar(*second))))]


# --- what BuildKit has written


def test_an_archive_is_the_same_as_itself_and_as_one_with_an_attestation() -> None:
    assert real("one", "one") == []
    assert real("one", "attested") == []


def test_a_changed_file_and_a_changed_variable_are_named_and_the_variable_is_not_told() -> None:
    assert real("one", "other") == [
        "layer 2 (COPY b /etc/b): /etc/b: content",
        "config config.Env.SHADE: another value",
        "config history[1].created_by: another value",
    ]


def test_a_build_without_source_date_epoch_shows_its_times() -> None:
    found = real("one", "times")
    assert found[0] == "layer 1 (COPY a /etc/a): /etc: mtime 2025-11-25T00:00:00Z -> 2026-11-26T02:08:17Z"
    assert "config created: 2025-11-25T00:00:00Z -> 2026-11-26T02:08:17.587542673Z" in found
    assert "manifest layers[0].annotations.buildkit/rewritten-timestamp: only in the first" in found


def test_another_compression_of_the_same_layers_is_said_to_be_nothing_but_that() -> None:
    assert real("one", "level") == [
        "layer 1 (COPY a /etc/a): unpacked it is the same (diff_id), only its compression differs (128 -> 136 bytes)",
        "layer 2 (COPY b /etc/b): unpacked it is the same (diff_id), only its compression differs (128 -> 137 bytes)",
    ]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python reads zstd")
def test_zstd_is_refused_where_this_python_cannot_unpack_it() -> None:
    with pytest.raises(UserError, match="zstd"):
        real("one", "zstd")


# --- layers


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"mode": 0o755}, "mode 0644 -> 0755"),
        ({"uid": 5}, "owner 0:0 -> 5:0"),
        ({"uname": "me"}, "name of the owner"),
        ({"mtime": 0}, "mtime 2025-11-25T00:00:00Z -> 1970-01-01T00:00:00Z"),
        ({"type": b"2", "linkname": "x"}, "a file -> a symbolic link, link to  -> x"),
        ({"pax_headers": {"SCHILY.xattr.user.a": "b"}}, "header SCHILY.xattr.user.a"),
        ({"pax_headers": {"atime": "5"}}, "atime"),
        ({"pax_headers": {"mtime": "1764028800.25"}}, "mtime 2025-11-25T00:00:00Z -> 2025-11-25T00:00:00.25Z"),
    ],
)
def test_each_field_that_differs_is_named(change: dict[str, Any], what: str) -> None:
    assert layers([entry("etc/a"), entry("b")], [entry("etc/a", **change), entry("b")]) == [("/etc/a", what)]


def test_content_is_told_with_its_size_where_that_differs() -> None:
    assert layers([entry("a", b"one")], [entry("a", b"two")]) == [("/a", "content")]
    assert layers([entry("a", b"one")], [entry("a", b"four")]) == [("/a", "content (3 -> 4 bytes)")]


def test_a_device_by_another_number_is_another_device() -> None:
    one, other = (entry("a", type=b"3", devmajor=1, devminor=minor) for minor in (3, 5))
    assert layers([one], [other]) == [("/a", "device number")]


def test_a_file_in_between_does_not_make_all_that_follow_differ() -> None:
    names = [entry(f"f{number:03}", b"x") for number in range(100)]
    assert layers(names, [*names[:7], *names[8:]]) == [("/f007", "only in the first")]
    assert layers([*names[:7], *names[8:]], names) == [("/f007", "only in the second")]


def test_another_order_is_told_once_by_the_first_entry_that_stands_elsewhere() -> None:
    a, b, c = entry("a"), entry("b"), entry("c")
    assert layers([a, b, c], [a, c, b]) == [("/b", "order: it stands at another place")]


def test_an_entry_that_is_there_twice_is_compared_in_its_turn() -> None:
    one, two = entry("a", b"1"), entry("a", b"2")
    assert layers([one, two], [one, two]) == []
    assert layers([one, two], [one]) == [("/a", "only in the first")]
    assert [what for _, what in layers([one, two], [two, one])] == ["content", "content"]


def test_many_times_become_a_number_and_do_not_hide_the_file_to_blame() -> None:
    before = [entry(f"f{number:03}", b"x") for number in range(50)]
    after = [entry(f"f{number:03}", b"x", mtime=1) for number in range(50)]
    after[40] = entry("f040", b"y", mtime=1)
    found = layers(before, after)
    assert found[0] == ("/f040", "content, mtime 2025-11-25T00:00:00Z -> 1970-01-01T00:00:01Z")
    assert len(found) == 1 + layer_diff.MAX_TIMES + 1
    assert found[-1] == (None, "46 more entries differ in nothing but their time")


def test_the_number_of_entries_that_are_named_is_limited() -> None:
    found = layers([entry(f"a{number:03}") for number in range(60)], [])
    assert len(found) == layer_diff.MAX_NAMED + 1
    assert found[-1] == (None, "40 more entries differ")


def test_memory_is_limited_where_nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_diff, "MAX_WAITING", 10)
    read = 0

    def counted(prefix: str) -> Any:
        nonlocal read
        for one in contents(Bytes(tar(*(entry(f"{prefix}{number}") for number in range(100))))):
            read += 1
            yield one

    (said,) = compared(counted("a"), counted("b"))
    assert said.what == "the two have so little in common that they were not compared to their end (10 entries)"
    assert read == 12


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 1)), max_size=8), st.data())
def test_nothing_is_said_exactly_where_both_are_the_same(spec: list[tuple[str, int]], data: st.DataObject) -> None:
    other = data.draw(st.permutations(spec) | st.just(spec) | st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 1))))
    first, second = ([_entry(name, number) for name, number in one] for one in (spec, other))
    assert bool(compared(first, second)) == (first != second)


def _entry(name: str, number: int) -> Entry:
    return Entry(name, "0", 1, 0o644, (0, 0), ("", ""), "0", "", (0, 0), (), bytes([number]))


# --- archives made for the purpose


def made(tmp_path: Path, first: Layout, second: Layout) -> list[str]:
    return [str(one) for one in differences(first.write(tmp_path / "1.tar"), second.write(tmp_path / "2.tar"))]


def test_one_layer_more_is_told_with_its_instruction(tmp_path: Path) -> None:
    a, b = tar(entry("a")), tar(entry("b"))
    one, two = (
        Layout(a, history=[{"created_by": "RUN a"}]),
        Layout(a, b, history=[{"created_by": "RUN a"}, {"created_by": "RUN b"}]),
    )
    assert made(tmp_path, one, two) == ["layer 2 (RUN b): only in the second", "config history[1].created_by: only in the second"]
    assert made(tmp_path, two, one)[0] == "layer 2 (RUN b): only in the first"


def test_a_long_instruction_is_shortened_and_made_harmless(tmp_path: Path) -> None:
    history = [{"created_by": "RUN /bin/sh -c echo \x1b[2J" + "x" * 90 + " # buildkit"}]
    (line,) = made(tmp_path, Layout(tar(entry("a")), history=history), Layout(tar(entry("a\u202eb")), history=history))[1:]
    assert line.startswith("layer 1 (RUN echo \\x1b[2Jxxx")
    assert line.endswith("...): /a\\u202eb: only in the second")


def test_the_same_entries_in_another_tar_are_said_to_be_that(tmp_path: Path) -> None:
    body = tar(entry("a", b"x"))
    (line,) = made(tmp_path, Layout(body), Layout(body + bytes(10240)))
    assert line == "layer 1: every entry is the same; the tar around them differs (form of headers, padding)"


def test_a_config_that_differs_alone_is_told_by_field(tmp_path: Path) -> None:
    body = tar(entry("a"))
    secret = {"Env": ["TOKEN=abc", "PATH=/bin"], "User": "root", "Labels": {"org.example": "abc"}}
    other = {"Env": ["TOKEN=xyz", "PATH=/bin", "NEW=1"], "User": "me", "Labels": {}}
    lines = made(tmp_path, Layout(body, config=secret), Layout(body, config=other))
    assert lines == [
        "config config.Env.NEW: only in the second",
        "config config.Env.TOKEN: another value",
        "config config.Labels: only in the second",
        "config config.Labels.org.example: only in the first",
        "config config.User: root -> me",
    ]
    assert not any("abc" in line or "xyz" in line for line in lines)


def test_manifests_of_another_form_are_said_to_be_that(tmp_path: Path) -> None:
    one, two = Layout(tar(entry("a"))), Layout(tar(entry("a")))
    two.manifest = dict(reversed(two.manifest.items()))
    assert made(tmp_path, one, two.remade()) == ["the manifests differ in form alone; every field is the same"]


def test_a_compression_that_is_only_claimed_is_not_believed(tmp_path: Path) -> None:
    one = Layout(tar(entry("a", b"x")))
    liar = Layout(tar(entry("a", b"y")), rootfs=one.config["rootfs"])
    with pytest.raises(UserError, match=r"unpacked, the layer .* is not sha256:"):
        made(tmp_path, one, liar)


def test_a_layer_that_is_no_tar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: at byte 0 is no header of a tar"):
        made(tmp_path, Layout(b"x" * 600), Layout(b"y" * 600))


def test_layers_behind_enough_differences_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_diff, "MAX_DIFFERENCES", 1)
    one, two = (Layout(tar(entry("a", body)), tar(entry("b", body))) for body in (b"x", b"y"))
    assert made(tmp_path, one, two) == ["layer 1: /a: content", "layer 2: not unpacked after 1 difference below"]


def test_a_difference_says_its_parts() -> None:
    assert str(Difference(None, "", "config created", "a -> b")) == "config created: a -> b"
    assert str(Difference(3, "RUN /bin/sh -c apt-get install x # buildkit", "/var/log/dpkg.log", "content")) == (
        "layer 3 (RUN apt-get install x): /var/log/dpkg.log: content"
    )
