"""What the apt commands of a Dockerfile do. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from envdoctor.dockerfiles.stages import Executed, Stage, Step

PROGRAMS = ("apt-get", "apt", "aptitude")
TAKES = ("-o", "--option", "-t", "--target-release", "-c", "--config-file", "--default-release")
LISTS = "/var/lib/apt"


class Apt(msgspec.Struct, frozen=True):
    """One apt command: its subcommand, options as written, and packages."""

    program: str
    verb: str
    options: tuple[str, ...]
    packages: tuple[str, ...]
    run: Executed

    @property
    def says_yes(self) -> bool:
        """Whether it asks no question; -qq implies it."""
        text = " ".join(self.options).lower()
        if any(one in {"--yes", "--assume-yes"} for one in self.options) or "assume-yes=true" in text or "assume-yes=1" in text:
            return True
        shorts = "".join(one[1:] for one in self.options if one.startswith("-") and not one.startswith("--"))
        return "y" in shorts or shorts.count("q") > 1 or "-q=2" in self.options

    @property
    def simulates(self) -> bool:
        """Whether it installs nothing."""
        return any(one in {"-s", "--simulate", "--dry-run", "-d", "--download-only", "--print-uris"} for one in self.options)


def apt(run: Executed) -> Apt | None:
    """The apt command that a command is, None if it is none."""
    name = run.argv[0].rsplit("/", 1)[-1]
    if name not in PROGRAMS:
        return None
    options, words = [], []
    queue = deque(run.argv[1:])
    while queue:
        word = queue.popleft()
        if word.startswith("-"):
            options.append(word)
            if word in TAKES and queue:
                options.append(queue.popleft())
        else:
            words.append(word)
    return Apt(name, words[0], tuple(options), tuple(words[1:]), run) if words else None


def configured(stage: Stage, key: str) -> bool:
    """Whether a configuration of apt that is written in the Dockerfile mentions a key."""
    return any(
        key in step.instruction.value or any(key in doc.body for doc in step.instruction.heredocs) for step in stage.history()
    )


def cached(step: Step) -> bool:
    """Whether apt's lists are on a cache mount of this RUN, so that they are in no layer."""
    return any("type=cache" in mount and LISTS in mount for mount in step.instruction.flags_of("mount")) or any(
        "type=tmpfs" in mount and LISTS in mount for mount in step.instruction.flags_of("mount")
    )
