"""What commands install."""

from __future__ import annotations

import pytest

from envdoctor.dockerfiles.installs import Install, requirement_lines, wanted_from
from envdoctor.dockerfiles.parser import parse
from envdoctor.dockerfiles.sheet import Sheet
from envdoctor.dockerfiles.stages import staged
from tests.dockerfiles.linted import MATRIX


def installs(command: str) -> list[Install]:
    sheet = Sheet(staged(parse(f"FROM a\nRUN {command}\n"), "Dockerfile"), None, MATRIX)
    return [placed.install for placed in sheet.installs]


@pytest.mark.parametrize(
    ("command", "tool", "where"),
    [
        ("pip install torch", "pip install", ""),
        ("pip3.11 --no-cache-dir install torch", "pip install", ""),
        ("/opt/venv/bin/pip install torch", "pip install", "/opt/venv/bin"),
        ("python -m pip install torch", "pip install", ""),
        ("/opt/venv/bin/python -m pip install torch", "pip install", "/opt/venv/bin/python"),
        ("$PYTHON -m pip install torch", "pip install", ""),
        ("uv pip install --system torch", "uv pip install", ""),
        ("uv --quiet pip install torch", "uv pip install", ""),
        ("uv pip install --python /opt/venv torch", "uv pip install", "/opt/venv"),
        ("conda install -y -n base torch", "conda install", "conda base"),
        ("conda run -n peft pip install torch", "pip install", "conda run -n peft"),
        (". /venv/bin/activate && pip install torch", "pip install", "/venv/bin/activate"),
    ],
)
def test_an_installer_is_known_by_every_name_it_is_called_by(command: str, tool: str, where: str) -> None:
    (install,) = installs(command)
    assert (install.tool, install.where) == (tool, where)
    assert [one.name for one in install.wanted] == ["torch"]


@pytest.mark.parametrize(
    "command", ["pip download torch", "pip uninstall -y torch", "echo pip install torch", "pip config set install.x y"]
)
def test_other_commands_install_nothing(command: str) -> None:
    assert installs(command) == []


def test_values_of_options_are_no_packages() -> None:
    (install,) = installs(
        "pip install -qU -i https://x/simple --no-cache-dir -r req.txt --extra-index-url=https://y -c con.txt -e ./z torch==2.6.0"
    )
    assert [one.text for one in install.wanted] == ["torch==2.6.0", "./z"]
    assert install.files == ("req.txt",)
    assert install.constraints == ("con.txt",)
    assert install.indexes == ["https://x/simple", "https://y"]
    assert install.has("-U")


def test_constraints_and_indexes_may_come_from_variables() -> None:
    (install,) = installs("PIP_CONSTRAINT=/c.txt UV_INDEX_URL=https://z uv pip install torch")
    assert install.constraints == ("/c.txt",)
    assert install.indexes == ["https://z"]


@pytest.mark.parametrize(
    ("text", "kind", "name", "exact", "pinned"),
    [
        ("torch==2.6.0", "named", "torch", "2.6.0", True),
        ("Flash_Attn[x] == 2.8.3", "named", "flash-attn", "2.8.3", True),
        ("torch==2.6.*", "named", "torch", None, False),
        ("torch>=2,<3", "named", "torch", None, False),
        ("torch", "named", "torch", None, False),
        ("torch==${TORCH}", "named", "torch", None, True),
        ("git+https://github.com/a/b.git@main", "vcs", "", None, True),
        ("b @ git+https://github.com/a/b", "vcs", "b", None, True),
        ("https://x/torch-2.6.0%2Bcu124-cp311-cp311-linux_x86_64.whl", "url", "torch", "2.6.0+cu124", True),
        ("./wheels/vllm-0.8.5-cp38-abi3-manylinux1_x86_64.whl", "path", "vllm", "0.8.5", True),
        (".[dev]", "path", "", None, True),
        ("$PACKAGES", "unknown", "", None, True),
    ],
)
def test_requirements_are_read_as_pip_takes_them(text: str, kind: str, name: str, exact: str | None, pinned: bool) -> None:
    one = wanted_from(text)
    assert (one.kind, one.name, one.exact, one.pinned) == (kind, name, exact, pinned)


def test_conda_writes_versions_its_own_way() -> None:
    (install,) = installs("mamba install -c conda-forge python=3.11 pytorch::pytorch==2.5.1 'numpy>=1.26' cmake")
    assert [(one.name, one.pinned) for one in install.wanted] == [
        ("python", True),
        ("pytorch", True),
        ("numpy", False),
        ("cmake", False),
    ]


def test_lines_of_a_requirements_file_keep_their_numbers_through_hashes_and_comments() -> None:
    text = "# top\ntorch==2.6.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n\nnumpy  # loose\n-r more.txt\n"
    assert list(requirement_lines(text)) == [
        (2, "torch==2.6.0      --hash=sha256:aa      --hash=sha256:bb".replace("      --", "  --")),
        (6, "numpy"),
        (7, "-r more.txt"),
    ]
