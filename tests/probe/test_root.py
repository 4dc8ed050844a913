"""A root folder: which Python of it is judged, what its files tell, what they do not, and that nothing leads out of it."""

from __future__ import annotations

import json
import os
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.probe import __main__ as probe
from envdoctor.probe import pythons, root
from envdoctor.probe.machine import Machine, Missing, RootFolder, Trouble, known
from tests.probe.images import SITE, base, image, metadata, venv
from tests.probe.machines import WAITS_S
from tests.probe.samples import elf_file

if TYPE_CHECKING:
    from pathlib import Path

STARTED = {"/opt/venv/bin/python3": "/usr/bin/python3", "/usr/bin/python3": "python3.11"}


def taken(folder: str, inside: str = "") -> dict[str, Any]:
    """The document of a root folder, as the probe prints it."""
    machine, ask = root.entered({"root": folder, "inside": inside})
    document: dict[str, Any] = probe.take(machine, ask)
    document["target"] = root.target(machine, ask)
    json.dumps(document).encode("ascii")
    return document


def python(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["python"]["value"]
    return found


def names(document: dict[str, Any]) -> list[str]:
    return [one["name"] for one in document["packages"]["distributions"]["value"]]


def refused(folder: Path | str, inside: str = "") -> tuple[str, str]:
    with pytest.raises(root.Refused) as caught:
        root.entered({"root": str(folder), "inside": inside})
    what, hint = caught.value.args
    return what, hint


def test_the_environment_that_holds_the_stack_is_chosen_and_the_others_are_named(tmp_path: Path) -> None:
    folder = image(
        tmp_path,
        base(),
        venv("/opt/a"),
        venv("/opt/venv", packages={"torch": "2.6.0", "trl": "0.15.0"}),
        venv("/app/.venv", packages={"torch": "2.6.0"}),
        links=STARTED,
    )
    document = taken(folder)
    assert document["target"]["spec"] == "/opt/venv"
    assert document["target"]["chosen"] == (
        "it holds torch, trl; also in it: /app/.venv, /opt/a, /usr/bin/python3.11, to be named as root:DIR::PATH"
    )
    assert names(document) == ["torch", "trl"]
    assert taken(folder, "/app/.venv")["target"]["chosen"] == "named on the command line"


@pytest.mark.parametrize(
    "folder",
    ["/venv", "/.venv", "/app", "/app/venv", "/root/.venv", "/home/ray/.venv", "/home/ray/run/.venv", "/workspace/verl/.venv",
     "/usr/src/app/.venv", "/root/.virtualenvs/grpo", "/usr/local/venv"],
)  # fmt: skip
def test_an_environment_is_found_where_images_have_them(tmp_path: Path, folder: str) -> None:
    assert taken(image(tmp_path, base(), venv(folder, packages={"vllm": "0.12.0"}), links=STARTED))["target"]["spec"] == folder


def test_a_system_python_has_debians_folders(tmp_path: Path) -> None:
    debian = {"/usr/lib/python3/dist-packages/trl-0.15.0.dist-info/METADATA": metadata("trl", "0.15.0")}
    document = taken(image(tmp_path, base(), debian, {"/usr/lib/python3.11/EXTERNALLY-MANAGED": ""}, links=STARTED))
    assert document["target"] == {"spec": "/usr/bin/python3.11", "chosen": "the only Python in it", "broken": None}
    found = python(document)
    assert (found["kind"], found["prefix"], found["executable"]) == ("system", "/usr", "/usr/bin/python3.11")
    assert found["externally_managed"]
    assert found["site_dirs"]["value"] == ["/usr/lib/python3/dist-packages"]
    assert "which user starts its Python" in found["user_site"]["why"]
    assert names(document) == ["trl"]


def test_of_several_pythons_in_one_prefix_that_of_bin_python3_comes_first(tmp_path: Path) -> None:
    both = {**base(library="python3.10"), **base(library="python3.12")}
    found = pythons.search(RootFolder(image(tmp_path, both, links={"/usr/bin/python3": "python3.12"})), [])
    assert [one.name for one in found] == ["/usr/bin/python3.12", "/usr/bin/python3.10"]


def test_an_environment_that_a_link_leads_to_counts_once(tmp_path: Path) -> None:
    folder = image(tmp_path, base(), venv("/opt/venv"), links={**STARTED, "/venv": "/opt/venv", "/workspace": "opt"})
    assert [one.name for one in pythons.search(RootFolder(folder), [])] == ["/opt/venv", "/usr/bin/python3.11"]
    assert taken(folder, "/venv")["target"]["spec"] == "/venv"


def test_conda_and_its_environments_are_found(tmp_path: Path) -> None:
    conda = {**base("/opt/conda"), "/opt/conda/conda-meta/history": ""}
    inner = {**base("/opt/conda/envs/rl"), "/opt/conda/envs/rl/conda-meta/history": ""}
    site = {"/opt/conda/envs/rl/lib/python3.11/site-packages/verl-0.5.0.dist-info/METADATA": metadata("verl", "0.5.0")}
    document = taken(image(tmp_path, conda, inner, site))
    assert document["target"]["spec"] == "/opt/conda/envs/rl"
    assert (python(document)["kind"], names(document)) == ("conda", ["verl"])


@pytest.mark.parametrize(
    ("inside", "spec"),
    [
        ("/opt/venv", "/opt/venv"),
        ("opt/venv/", "/opt/venv"),
        ("/opt/venv/bin/python", "/opt/venv"),
        ("/usr", "/usr/bin/python3.11"),
        ("/usr/bin/python3.11", "/usr/bin/python3.11"),
        ("/usr/bin/python3", "/usr/bin/python3.11"),
        ("/a/b/c/d", "/a/b/c/d"),
    ],
)
def test_a_python_is_named_by_its_folder_or_its_program(tmp_path: Path, inside: str, spec: str) -> None:
    folder = image(tmp_path, base(), venv(), venv("/a/b/c/d"), links=STARTED)
    assert taken(folder, inside)["target"]["spec"] == spec


def test_a_name_that_is_no_python_is_refused_with_those_that_are(tmp_path: Path) -> None:
    what, hint = refused(image(tmp_path, base(), venv(), links=STARTED), "/opt/other")
    assert "/opt/other in" in what
    assert hint == "In it are /opt/venv, /usr/bin/python3.11: root:DIR::PATH"


def test_its_facts_come_from_its_files(tmp_path: Path) -> None:
    document = taken(image(tmp_path, base(), venv(packages={"torch": "2.6.0"}), links=STARTED))
    found = python(document)
    assert found["version"] == "3.11.9"  # the program's own bytes, not the older 3.11.2 of pyvenv.cfg
    assert (found["abi"], found["bits"], found["free_threaded"]) == ("cpython-311-x86_64-linux-gnu", 64, False)
    assert (found["executable"], found["prefix"], found["base_prefix"]) == ("/opt/venv/bin/python3", "/opt/venv", "/usr")
    assert found["sys_path"]["value"] == [
        "/usr/lib/python311.zip", "/usr/lib/python3.11", "/usr/lib/python3.11/lib-dynload", SITE,
    ]  # fmt: skip
    host = document["host"]
    assert host["libc"] == known({"name": "glibc", "version": "2.36"}, "/lib/x86_64-linux-gnu/libc.so.6")
    assert host["arch"]["value"] == "x86_64"
    assert (host["os_id"]["value"], host["os_version"]["value"]) == ("debian", "12")


def test_a_version_that_no_bytes_say_is_that_of_pyvenv_cfg_else_that_of_the_folder(tmp_path: Path) -> None:
    silent = base(python=elf_file(rodata=b"3.11.1\0 3.11.2\0"))
    folder = image(tmp_path, silent, venv(), venv("/opt/b"), {"/opt/b/pyvenv.cfg": "home = /usr/bin\n"}, links=STARTED)
    assert python(taken(folder, "/opt/venv"))["version"] == "3.11.2"
    assert python(taken(folder, "/opt/b"))["version"] == "3.11"


def test_a_free_threaded_python_on_fedoras_lib64_is_told_by_its_folder(tmp_path: Path) -> None:
    files = {"/usr/bin/python3.13t": "", "/usr/lib64/python3.13t/os.py": ""}
    found = python(taken(image(tmp_path, files)))
    assert (found["version"], found["free_threaded"]) == ("3.13", True)
    assert found["sys_path"]["value"][1] == "/usr/lib64/python3.13t"


def test_alpines_c_library_is_musl(tmp_path: Path) -> None:
    folder = image(tmp_path, base(), {"/lib/ld-musl-x86_64.so.1": elf_file(rodata=b"\x001.2.5\0")})
    os.unlink(f"{folder}/lib/x86_64-linux-gnu/libc.so.6")
    assert taken(folder)["host"]["libc"]["value"] == {"name": "musl", "version": "1.2.5"}
    os.unlink(f"{folder}/lib/ld-musl-x86_64.so.1")
    assert "no libc.so.6" in taken(folder)["host"]["libc"]["why"]


def test_a_link_to_a_base_python_that_is_not_in_the_root_is_said(tmp_path: Path) -> None:
    folder = image(tmp_path, venv(home="/usr/local/bin"), links={"/opt/venv/bin/python3": "/usr/local/bin/python3.11"})
    broken = taken(folder)["target"]["broken"]
    assert broken.startswith("/opt/venv/bin/python3 links to /usr/local/bin/python3.11, which is not in this root")
    assert "unpack the whole image" in broken


def test_what_only_a_running_machine_tells_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LD_LIBRARY_PATH", "PYTHONPATH", "CUDA_HOME", "LD_PRELOAD", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    document = taken(image(tmp_path / "root", base(), venv(), links=STARTED))
    told = {"libcuda", "os_name", "os_id", "os_version", "arch", "libc"}
    for section in ("driver", "gpus", "container", "host"):
        for leaf, value in document[section].items():
            if leaf not in told:
                assert value["why"].startswith("a root folder does not tell this: "), leaf
    assert document["environ"]["why"].startswith("a root folder does not tell this: ")
    assert document["driver"]["libcuda"]["value"] == []
    assert document["cuda"]["toolkits"] == known([], "/usr/local")
    assert str(tmp_path) not in json.dumps(document)


def test_a_libcuda_that_the_image_brings_is_seen(tmp_path: Path) -> None:
    path = "/usr/lib/x86_64-linux-gnu/libcuda.so.1"
    document = taken(image(tmp_path, base(), {path: elf_file()}, links=STARTED))
    assert [one["path"] for one in document["driver"]["libcuda"]["value"]] == [path]


def test_the_sections_beside_run_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(out: dict[str, Any], machine: Any, ask: dict[str, Any]) -> None:
        version = ask["sections"]["python"]["interpreter"]["value"]["version"]
        out["libraries"] = known([machine.root, version, str(os.getpid())], "there")

    groups = [
        [(name, one if name != "device_code" else SimpleNamespace(LEAVES=("libraries",), probe=look)) for name, one in group]
        for group in probe.BESIDE
    ]
    monkeypatch.setattr(probe, "BESIDE", groups)
    folder = image(tmp_path, base(), venv(), links=STARTED)
    where, version, process = taken(folder)["device_code"]["value"]
    assert (where, version) == (folder, "3.11.9")
    assert int(process) != os.getpid()


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"/oci-layout": "", "/index.json": ""}, "packed layers"),
        ({"/manifest.json": ""}, "packed layers"),
        ({"/pyvenv.cfg": ""}, "an environment, not the root"),
        ({"/notes.txt": ""}, "not a root folder"),
        ({"/etc/os-release": ""}, "no Python was found"),
        ({"/usr/bin/python3.11": ""}, "no Python was found"),
        ({"/opt/venv/pyvenv.cfg": ""}, "no Python was found"),
    ],
)
def test_a_folder_that_cannot_be_judged_is_refused_with_what_to_do(tmp_path: Path, files: dict[str, str], what: str) -> None:
    for path, text in files.items():
        place = tmp_path / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    said, hint = refused(tmp_path)
    assert what in said
    assert str(tmp_path) in said
    assert hint


def test_the_machine_itself_is_no_root_folder() -> None:
    assert "this machine itself" in refused("/")[0]
    assert "cannot be listed" in refused("/no/such/folder")[0]


# hostile roots


def test_no_link_leads_out_of_the_root(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "x-6.6.6.dist-info").mkdir(parents=True)
    (outside / "x-6.6.6.dist-info" / "METADATA").write_text(metadata("stranger", "6.6.6"))
    (outside / "version.py").write_text("__version__ = '6.6.6'\ncuda = '6.6'\n")
    (outside / "lib.so").write_bytes(elf_file(needed=("libstranger.so.6",)))
    (outside / "os-release").write_text("ID=stranger\n")
    folder = image(
        tmp_path / "root",
        base(),
        venv(packages={"torch": "2.6.0"}),
        {f"{SITE}/out.pth": f"{outside}\n../../../../../../../..{outside}\n", f"{SITE}/torch/__init__.py": ""},
        links={
            **STARTED,
            f"{SITE}/x-6.6.6.dist-info": f"{outside}/x-6.6.6.dist-info",
            f"{SITE}/y-6.6.6.dist-info": f"../../../../../../../../../../../../../../..{outside}/x-6.6.6.dist-info",
            f"{SITE}/torch/version.py": f"{outside}/version.py",
            f"{SITE}/torchvision": str(outside),
            f"{SITE}/torch/lib/libc10_cuda.so": f"{outside}/lib.so",
            "/usr/lib/os-release": f"{outside}/os-release",
            "/opt/other": str(outside),
        },
    )
    os.unlink(f"{folder}/etc/os-release")
    document = taken(folder)
    text = json.dumps(document)
    assert "stranger" not in text
    assert document["builds"]["torch"]["is"] == "unknown"
    assert document["host"]["os_id"]["is"] == "unknown"
    assert [one["version"] for one in document["packages"]["distributions"]["value"] if one["version"]] == [
        "2.6.0",
        "6.6.6",
        "6.6.6",
    ]
    assert {one["problem"] is None for one in document["packages"]["distributions"]["value"] if one["version"] == "6.6.6"} == {
        False
    }


def test_a_loop_of_links_is_not_handed_to_the_kernel_which_would_follow_it_out(tmp_path: Path) -> None:
    """Fifty links one after another: we stop at forty; the last of them is absolute and exists outside only."""
    outside = tmp_path / "outside"
    outside.write_text("stranger")
    chain = {f"/opt/{number}": f"/opt/{number + 1}" for number in range(50)}
    machine = RootFolder(image(tmp_path / "root", links={**chain, "/opt/50": str(outside), "/opt/loop": "/opt/loop"}))
    for path in ("/opt/0", "/opt/loop", "/opt/0/inner"):
        assert not machine.exists(path)
        assert not machine.is_folder(path)
        with pytest.raises((Missing, Trouble)):
            machine.read(path)
        with pytest.raises((Missing, Trouble)):
            machine.listdir(path)
        with pytest.raises(OSError, match="Too many levels"):
            machine.at(path)


def test_what_our_own_kernel_shows_in_a_chroot_is_not_read(tmp_path: Path) -> None:
    files = {
        "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Kernel Module  550.54.15\n",
        "/sys/module/x": "",
        "/dev/x": "",
    }
    machine = RootFolder(image(tmp_path, files, links={"/opt/way": "/proc/driver/nvidia/version", "/opt/up": "../sys/module"}))
    for path in ("/proc/driver/nvidia/version", "/opt/way", "/opt/up/x", "/opt/../dev/x", "//proc//driver/nvidia/version"):
        assert not machine.exists(path)
        with pytest.raises(Trouble, match="a root folder does not tell this"):
            machine.read(path)
    with pytest.raises(Trouble, match="a root folder does not tell this"):
        machine.listdir("/proc")


def test_what_lies_in_recorded_is_not_believed(tmp_path: Path) -> None:
    files = {"/recorded/python.json": '{"executable": "/evil"}', "/recorded/arch": "pdp11", "/recorded/libc": "evil 1.0"}
    document = taken(image(tmp_path, base(), files, links=STARTED))
    assert "evil" not in json.dumps(document)
    assert document["host"]["arch"]["value"] == "x86_64"


def test_nothing_of_it_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"#!/bin/sh\ntouch {mark}\necho V12.4.131\n"
    programs = ("/usr/local/cuda/bin/nvcc", "/usr/bin/nvidia-smi", "/usr/bin/python3.11", "/lib/ld-musl-x86_64.so.1")
    folder = image(tmp_path / "root", base(), dict.fromkeys(programs, script), links={"/usr/bin/python3": "python3.11"})
    for path in programs:
        (tmp_path / "root" / path.lstrip("/")).chmod(0o755)
    document = taken(folder)
    assert document["cuda"]["toolkits"]["value"] == [{"path": "/usr/local/cuda", "version": None, "found_by": "/usr/local/cuda"}]
    assert not mark.exists()
    with pytest.raises(Missing):
        RootFolder(folder).run(["/usr/bin/nvidia-smi"])


def test_pipes_where_files_belong_are_not_waited_for(tmp_path: Path) -> None:
    folder = image(tmp_path, base(), venv(packages={"torch": "2.6.0"}), links=STARTED)
    for path in ("/opt/venv/pyvenv.cfg", "/usr/bin/python3.11", "/lib/x86_64-linux-gnu/libc.so.6", "/etc/os-release"):
        os.unlink(folder + path)
        os.mkfifo(folder + path)
    began = time.monotonic()
    assert "pyvenv.cfg is not a regular file" in taken(folder, "/opt/venv")["python"]["why"]
    assert taken(folder)["host"]["libc"]["is"] == "unknown"
    assert time.monotonic() - began < WAITS_S


def test_names_that_are_no_text_do_not_break_the_document(tmp_path: Path) -> None:
    odd = os.fsdecode(b"/opt/v\xff\n\x1b[31m")
    document = taken(image(tmp_path, base(), venv(odd, packages={"torch": "2.6.0"}), links=STARTED))
    assert document["target"]["spec"] == "/opt/v?\n\x1b[31m"


def test_a_folder_of_very_many_names_is_looked_at_in_part_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pythons, "MAX_NAMES_IN_ONE", 20)
    many = {f"/opt/d{number:03}/x": "" for number in range(50)}
    document = taken(image(tmp_path, base(), many, venv("/opt/zzz"), links=STARTED))
    assert document["target"]["chosen"] == (
        "the only Python in it; not all was read: /opt has 52 names, of which the first 20 were looked at"
    )
    assert taken(str(tmp_path), "/opt/zzz")["target"]["spec"] == "/opt/zzz"


def test_a_file_full_of_false_beginnings_costs_little(tmp_path: Path) -> None:
    flood = elf_file(rodata=b"3.11." * 2_000_000)
    folder = image(tmp_path, base(python=flood), links=STARTED)
    began = time.process_time()
    assert python(taken(folder))["version"] == "3.11"
    assert time.process_time() - began < 3


def test_a_folder_that_may_not_be_listed_is_said_with_the_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listdir = RootFolder.listdir

    def closed(machine: RootFolder, path: str) -> list[str]:
        if path == "/root":
            raise Trouble("/root: Permission denied")
        names: list[str] = listdir(machine, path)
        return names

    monkeypatch.setattr(RootFolder, "listdir", closed)
    folder = image(tmp_path, base(), {"/root/.venv/pyvenv.cfg": ""}, links=STARTED)
    assert "the only Python in it; not all was read: /root: Permission denied" in taken(folder)["target"]["chosen"]
    os.unlink(f"{folder}/usr/bin/python3.11")
    assert "/root: Permission denied" in refused(folder)[0]


def in_image(folder: str, path: str, inside: str = "") -> dict[str, Any]:
    """The document of an image's root whose configuration sets PATH so."""
    environ = json.dumps({"PATH": path, "PYTHONPATH": "/opt/more"})
    machine, ask = root.entered({"root": folder, "inside": inside, "image": "mine:1", "environ": environ})
    document: dict[str, Any] = probe.take(machine, ask)
    document["target"] = root.target(machine, ask)
    return document


def test_of_an_image_the_python_on_its_path_is_judged_and_a_richer_one_is_named(tmp_path: Path) -> None:
    folder = image(tmp_path, base(), venv("/opt/venv", packages={"torch": "2.6.0", "trl": "0.15.0"}), links=STARTED)
    document = in_image(folder, "relative:/nowhere:/usr/bin:/opt/venv/bin")
    assert document["target"]["spec"] == "/usr/bin/python3.11"
    assert document["target"]["chosen"] == (
        "python3 on the image's PATH; it holds nothing of the stack, but /opt/venv holds torch, trl, to be named as image:REF::PATH"
    )
    first = in_image(folder, "/opt/venv/bin:/usr/bin")
    assert first["target"]["spec"] == "/opt/venv"
    assert (
        first["target"]["chosen"]
        == "python3 on the image's PATH; also in it: /usr/bin/python3.11, to be named as image:REF::PATH"
    )
    assert in_image(folder, "/opt/venv/bin", "/usr/bin/python3")["target"]["chosen"] == "named on the command line"


def test_of_an_image_whose_path_has_no_python_the_one_with_the_stack_is_judged(tmp_path: Path) -> None:
    folder = image(tmp_path, base(), venv("/opt/venv", packages={"torch": "2.6.0"}), links=STARTED)
    assert in_image(folder, "/sbin:")["target"]["spec"] == "/opt/venv"
    assert in_image(folder, "")["target"]["spec"] == "/opt/venv"


def test_variables_of_an_images_configuration_say_where_its_python_looks(tmp_path: Path) -> None:
    more = {"/opt/more/trl-0.15.0.dist-info/METADATA": metadata("trl", "0.15.0")}
    folder = image(tmp_path, base(), venv("/opt/venv", packages={"torch": "2.6.0"}), more, links=STARTED)
    assert names(in_image(folder, "/opt/venv/bin")) == ["trl", "torch"]
    assert names(taken(folder)) == ["torch"]


def test_an_image_that_cannot_be_judged_is_named_and_not_the_folder_of_its_root(tmp_path: Path) -> None:
    folder = image(tmp_path, {"/usr/bin/true": ""})
    with pytest.raises(root.Refused) as caught:
        root.entered({"root": folder, "image": "mine:1"})
    assert caught.value.args == (
        "no Python was found in image:mine:1",
        "An environment that lies elsewhere in it is named so: image:mine:1::/path/in/it",
    )


def test_a_container_says_which_python_of_the_image_runs_the_probe() -> None:
    told = root.in_container(Machine(), {"image": "mine:1"})
    assert told["spec"] == sys.executable
    assert told["chosen"].startswith("python3 on the image's PATH")
    assert root.in_container(Machine(), {"image": "mine:1", "inside": "/opt/venv"})["chosen"] == "named on the command line"
