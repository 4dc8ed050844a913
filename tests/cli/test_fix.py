"""envdoctor fix as a user meets it: the page, the JSON, wrong words, and a real environment that is repaired and put back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from envdoctor.facts import encode
from envdoctor.resolver import uv_program
from tests.cli.test_cli import run
from tests.factory import healthy
from tests.fixing import shelf
from tests.fixing.planned import NEWEST, VLLM_0_7, environment
from tests.harvest.server import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "hunter2"  # noqa: S105


class Shop(NamedTuple):
    """An index on 127.0.0.1, and the variables that make uv ask it and nothing else."""

    url: str
    env: dict[str, str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    index = Index()
    shelf.stock(index)
    index.thread.start()
    folder = tmp_path_factory.mktemp("uv")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in [name for name in os.environ if name.startswith(("UV_", "PIP_")) or name.lower().endswith("_proxy")]:
            monkeypatch.delenv(name)
        yield Shop(index.url, {"UV_DEFAULT_INDEX": index.url, "UV_CACHE_DIR": str(folder), "UV_NO_CONFIG": "1"})
    index.close()


@pytest.fixture(autouse=True)
def asked_is_the_shop(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in shop.env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def old_vllm(tmp_path: Path) -> str:
    """A record of vllm 0.7.0 with the newest transformers."""
    path = tmp_path / "facts.json"
    path.write_bytes(encode(environment(VLLM_0_7, driver="550.54.15", api="12.4")))
    return f"saved:{path}"


@pytest.fixture
def on_535(tmp_path: Path) -> str:
    """A record of the newest stack on driver 535."""
    path = tmp_path / "facts.json"
    path.write_bytes(encode(environment(NEWEST, driver="535.161.08", api="12.2")))
    return f"saved:{path}"


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A real environment with these releases of the shelf; there is nothing in their wheels."""
    prefix = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    words = [f"{name}=={version}" for name, version in VLLM_0_7.items()]
    subprocess.run(
        [uv_program(), "pip", "install", "--quiet", "--no-deps", "--python", str(prefix / "bin" / "python"), *words], check=True
    )
    return prefix


def test_the_page_shows_the_moves_the_commands_and_the_proof(shop: Shop, old_vllm: str) -> None:
    done = run("fix", old_vllm)
    assert done.returncode == 1, done.stderr
    text = " ".join(done.stdout.split())
    assert "mends ED402: vllm 0.7.0 needs transformers <5; 5.24.0 is installed" in text
    assert "transformers 5.24.0 -> 4.57.6" in text
    assert "the rules come back clean of it, and uv resolved it" in text
    install = "--no-deps transformers==4.57.6 huggingface-hub==0.36.2 tokenizers==0.22.2"
    assert sum(install in line for line in done.stdout.splitlines()) == 2  # uv's form and pip's
    assert shop.url not in done.stdout


def test_the_json_has_the_plan_and_no_address_in_it(shop: Shop, old_vllm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", shop.url.replace("http://", f"http://user:{SECRET}@"))
    done = run("fix", old_vllm, "--format", "json")
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["schema_version"] == 1
    (plan,) = said["plans"]
    moves = {one["name"]: (one["before"], one["after"]) for one in plan["moves"]}
    assert moves["transformers"] == ("5.24.0", "4.57.6")
    assert plan["download_bytes"] == sum(one["download_bytes"] for one in plan["moves"])
    assert {one["name"] for one in plan["files"]} == set(moves)
    assert plan["commands"]["uv"][0][:3] == ["uv", "pip", "install"]
    assert SECRET not in done.stdout + done.stderr
    assert "127.0.0.1" not in done.stdout


def test_no_solution_exits_with_3_and_says_both_facts_and_which_driver_would_do(on_535: str) -> None:
    done = run("fix", on_535, "--keep", "vllm")
    assert done.returncode == 3, done.stderr
    text = " ".join(done.stdout.split())
    assert "NO PLAN could be proven with what you keep." in text
    assert "driver 535.161.08 is too old for CUDA 13.0" in text
    assert "Driver 580.65.06 or newer would do" in text
    assert "An administrator of the machine must install it" in text
    assert "The newest stack that works on driver 535.161.08: vllm 0.19.1" in text


def test_nothing_wrong_exits_with_0_and_asks_no_index(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(encode(healthy()))
    done = run("fix", f"saved:{path}", UV_DEFAULT_INDEX="http://127.0.0.1:9/simple")
    assert done.returncode == 0, done.stdout
    assert "Nothing to mend was found" in done.stdout


def test_an_index_that_does_not_answer_is_said_and_is_no_contradiction(
    old_vllm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cold"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    done = run("fix", old_vllm)
    assert done.returncode == 2
    assert "reachable" in done.stderr
    assert "127.0.0.1" not in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--keep", "vllm>=0.7"], "neither a package nor a package with an exact version"),
        (["--keep", "--index-url=x"], "neither a package nor a package with an exact version"),
        (["--keep", "driver==535.161.08"], "the driver is always kept"),
        (["--keep", "flash-attn"], "flash-attn is not installed"),
        (["--keep", "vlm==0.7.0"], "neither installed nor in the data"),
        (["--keep", "vllm", "--keep", "vllm==0.7.0"], "given twice"),
        (["--index", "--extra"], "no address"),
        (["--yes"], "goes with --apply or --into"),
        (["--apply"], "needs an environment on this machine"),
        (["--into", "elsewhere"], "needs an environment on this machine"),
        (["--undo"], "needs an environment on this machine"),
        (["--apply", "--undo"], "only one thing is done at a time"),
    ],
)
def test_wrong_words_exit_with_2_and_say_what_to_write(words: list[str], says: str, old_vllm: str) -> None:
    done = run("fix", old_vllm, *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""


def test_a_repair_is_not_made_where_nobody_can_be_asked(real: Path) -> None:
    done = run("fix", str(real), "--apply")
    assert done.returncode == 2
    assert "there is no terminal to ask at" in done.stderr
    assert versions(real)("transformers") == "5.24.0"


def versions(prefix: Path) -> Callable[[str], str]:
    """Looks up which release lies there."""
    site = next((prefix / "lib").glob("python*/site-packages"))
    return lambda name: next(site.glob(f"{name}-*.dist-info")).name.removesuffix(".dist-info").partition("-")[2]


def test_a_real_environment_is_repaired_and_put_back(real: Path) -> None:
    machine = ("--suppose", "gpu=h100", "--suppose", "driver=550.54.15")
    done = run("fix", str(real), "--apply", "--yes", *machine)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Repaired" in done.stdout
    assert versions(real)("transformers") == "4.57.6"
    assert versions(real)("vllm") == "0.7.0"
    assert run("fix", str(real), *machine).returncode == 0
    back = run("fix", str(real), "--undo")
    assert back.returncode == 0, back.stderr
    assert versions(real)("transformers") == "5.24.0"


def test_what_is_supposed_of_packages_cannot_be_applied(real: Path) -> None:
    done = run("fix", str(real), "--apply", "--yes", "--suppose", "transformers=5.20.0")
    assert done.returncode == 2
    assert "what is supposed is not what would be changed" in done.stderr
