"""ED603: code from a branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dockerfiles.linted import CUDA, context, titles

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "3f2b1c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("RUN pip install git+https://github.com/a/vllm", "vllm is installed from its default branch"),
        ("RUN pip install git+https://github.com/a/vllm.git@main", "vllm is installed from the branch main"),
        ('RUN uv pip install "trl[vllm] @ git+https://github.com/a/trl.git"', "trl is installed from its default branch"),
        ("RUN git clone https://github.com/a/b && pip install ./b", "b is built from its default branch"),
        ("RUN git clone -b dev https://github.com/a/b x && cd x && pip install -e .", "b is built from the branch dev"),
        (
            "WORKDIR /w\nRUN git clone https://github.com/a/b\nRUN cd /w/b && git checkout main && make",
            "b is built from its default branch",
        ),
        ("RUN wget https://github.com/a/b/archive/refs/heads/main.zip", "b is downloaded from the branch main"),
        ("ADD https://raw.githubusercontent.com/a/b/main/install.sh /x", "b is downloaded from the branch main"),
        ("RUN curl -L https://github.com/a/b/releases/latest/download/c", "b is downloaded from the latest release"),
    ],
)
def test_branches_are_found(line: str, says: str) -> None:
    assert [one.split(": ", 1)[1] for one in titles("ED603", f"{CUDA}{line}\n")] == [says]


@pytest.mark.parametrize(
    "line",
    [
        f"RUN pip install git+https://github.com/a/vllm@{COMMIT}",
        "RUN pip install git+https://github.com/a/vllm@v0.8.5#egg=vllm",
        "RUN pip install git+https://github.com/a/vllm@${VLLM_COMMIT}",
        "RUN pip install git+https://user@github.com/a/vllm@v1.2",
        "RUN git clone --branch v2.8.3 https://github.com/a/b && pip install ./b",
        f"RUN git clone https://github.com/a/b && cd b && git checkout {COMMIT} && pip install .",
        "RUN git clone https://github.com/a/b\nRUN git -C b checkout ${REF}\nRUN pip install ./b",
        f"RUN git clone https://github.com/a/b\nRUN pushd b\nRUN cd b && git fetch origin {COMMIT} && git checkout FETCH_HEAD && make",
        "RUN git clone https://github.com/a/dotfiles /root/.config",
        "RUN wget https://github.com/a/b/archive/refs/tags/v1.0.zip",
        "RUN wget https://github.com/a/b/archive/refs/heads/release/2.1.zip",
    ],
)
def test_commits_tags_unknown_variables_and_clones_that_nothing_is_built_from_are_no_fault(line: str) -> None:
    assert titles("ED603", f"{CUDA}{line}\n") == []


def test_a_branch_in_a_requirements_file_is_found(tmp_path: Path) -> None:
    folder = context(tmp_path, {"r.txt": "a==1\ntrl @ git+https://github.com/a/trl@main\n"})
    assert titles("ED603", CUDA + "COPY r.txt /\nRUN pip install -r /r.txt\n", folder) == [
        "3: trl is installed from the branch main"
    ]
