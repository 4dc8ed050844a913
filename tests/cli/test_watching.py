"""How a build shows that it goes on, in a log."""

from __future__ import annotations

import io
import time

import pytest

from envdoctor.cli.watching import Watching, named
from envdoctor.engine.buildx import Step
from envdoctor.images.building import Stage


def told(*steps: Step, still_s: float = 60.0, wait_s: float = 0.0) -> list[str]:
    stream = io.StringIO()
    with Watching(stream, again="envdoctor build-image h100", still_s=still_s) as watching:
        watching.begin("build")
        for one in steps:
            watching.step(one)
        time.sleep(wait_s)
        watching.end(Stage("build", "ok", "sha256:1", 3.0))
    return stream.getvalue().splitlines()


def test_a_log_has_a_line_for_each_step_of_the_dockerfile_and_none_for_the_engines_own() -> None:
    lines = told(
        Step("1", "[internal] load build context", "done", 0.1),
        Step("2", "[machine 1/2] RUN apt-get update", "started"),
        Step("2", "[machine 1/2] RUN apt-get update", "done", 4.25),
        Step("3", "[tools 1/1] COPY a b", "cached", 0.0),
    )
    assert lines == [
        "build ...",
        "  [machine 1/2] RUN apt-get update (done, 4.2 s)",
        "  [tools 1/1] COPY a b (cached)",
        "ok      build (3.0 s): sha256:1",
    ]


def test_a_long_step_says_that_it_is_still_at_work() -> None:
    lines = told(Step("9", "exporting to oci image format", "started"), still_s=0.05, wait_s=0.3)
    assert any(line.startswith("  exporting to oci image format (still at work, ") for line in lines)


def test_an_interrupt_says_what_is_left_and_how_to_go_on() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), Watching(stream, again="envdoctor build-image h100"):
        raise KeyboardInterrupt
    assert "nothing was named or pushed" in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("envdoctor build-image h100")


def test_the_name_of_a_step_is_what_it_does_and_not_how_secrets_reach_it() -> None:
    name = (
        "[tools 2/2] RUN --mount=type=secret,id=ca     --mount=type=bind,from=wheels,target=/wheels"
        "     if [ -f /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi  && python3.12 -m venv /opt/tools"
    )
    assert named(name) == "[tools 2/2] RUN python3.12 -m venv /opt/tools"
    assert named("RUN \x1b[2J") == "RUN \\x1b[2J"
