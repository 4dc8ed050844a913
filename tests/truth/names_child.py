"""Takes the truth: really imports. Run by an environment's own interpreter, ``names_child.py JOB ANSWER``; needs nothing of ours.

``direct``: each (module, name) is taken from the exporter by exactly that statement, in a forked child.
``whole``: each module of the importer is really imported, in a forked child in which every import that runs is noted. Where
a module dies of a statement of which ``direct`` says that it must fail, the death is noted, that one statement is given a
stand-in, and the rest is imported again, so that one broken import does not hide the next. A third package that is not
installed is replaced by an empty stand-in only after a module has died for want of it.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import select
import signal
import sys
import time
import types
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MISSING = "missing"
DEFINED = "defined"
SECONDS_FOR_ONE = 120
ROUNDS = 60


def in_child(work: Callable[[Callable[[Any], None]], None], seconds: float) -> tuple[list[Any], bool]:
    """Run ``work(tell)`` in a forked child; what it told, and whether it came to its end. Silence of ``seconds`` ends it."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(source)
        with contextlib.suppress(BaseException):
            silence()
            work(lambda said: _write(sink, json.dumps(said).encode() + b"\n"))
            os.write(sink, b"0\n")
        os._exit(0)
    os.close(sink)
    text = b""
    while select.select([source], [], [], seconds)[0]:
        more = os.read(source, 1 << 16)
        if not more:
            break
        text += more
    else:
        os.killpg(child, signal.SIGKILL)
    os.close(source)
    os.waitpid(child, 0)
    told = [json.loads(line) for line in text.split(b"\n")[:-1]]
    return ([one for one in told if one != 0], told[-1:] == [0])


def _write(sink: int, data: bytes) -> None:
    while data:
        data = data[os.write(sink, data) :]


def silence() -> None:
    """Neither output nor warnings: only what is told counts."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    warnings.simplefilter("ignore")


def root(error: BaseException) -> BaseException:
    """The error that the others were raised from."""
    while True:
        deeper = error.__cause__
        if deeper is None and not isinstance(error, ImportError) and not error.__suppress_context__:
            deeper = error.__context__
        if deeper is None:
            return error
        error = deeper


def says_missing(error: BaseException, module: str, name: str) -> bool:
    """Whether the error is Python's own word that the exporter lacks this module or this name, and nothing deeper."""
    if isinstance(error, ModuleNotFoundError):
        asked = f"{module}.{name}" if name else module
        return error.name is not None and (error.name == asked or f"{asked}.".startswith(f"{error.name}."))
    if isinstance(error, ImportError):
        text = str(error)
        return error.name == module and "circular" not in text and f"cannot import name {name!r} from" in text
    return isinstance(error, AttributeError) and f"module {module!r} has no attribute {name!r}" in str(error)


def wording(error: BaseException) -> str:
    """One line of at most 200 characters."""
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:200]


def direct(wanted: list[tuple[str, str]]) -> dict[str, str]:
    """{"module name": "defined", "missing" or the other failure}."""
    by_module: dict[str, list[str]] = {}
    for module, name in wanted:
        by_module.setdefault(module, []).append(name)
    found: dict[str, str] = {}
    for module, names in sorted(by_module.items()):
        told, finished = in_child(lambda tell, m=module, n=names: _of_module(m, n, tell), SECONDS_FOR_ONE)  # type: ignore[misc]
        answers = dict(told)
        for name in names:
            found[f"{module} {name}"] = answers.get(name, "other: the child ended" if finished else "other: killed or crashed")
    return found


def _of_module(module: str, names: list[str], tell: Callable[[Any], None]) -> None:
    with contextlib.suppress(BaseException):
        importlib.import_module(module)  # so that it is done once; each statement below meets its outcome by itself
    together, _ = in_child(lambda tell_it: _each(module, names, tell_it), SECONDS_FOR_ONE)
    outcomes = {name: outcome for name, outcome in together if outcome == DEFINED}
    for name in names:
        if name not in outcomes:  # whatever fails is tried alone, so that no failure is another's fault
            told, finished = in_child(lambda tell_it, n=name: tell_it(_one(module, n)), SECONDS_FOR_ONE)  # type: ignore[misc]
            outcomes[name] = told[0] if told else f"other: the child {'ended' if finished else 'was killed or crashed'}"
        tell((name, outcomes[name]))


def _each(module: str, names: list[str], tell: Callable[[Any], None]) -> None:
    for name in names:
        tell((name, _one(module, name)))


def _one(module: str, name: str) -> str:
    statement = f"from {module} import {name}" if name else f"import {module}"
    try:
        exec(statement, {"__name__": "importer"})  # noqa: S102 (the whole point)
    except BaseException as error:  # noqa: BLE001 (whatever it ends in is the truth)
        cause = root(error)
        return MISSING if says_missing(cause, module, name) else f"other: {wording(cause)}"
    return DEFINED


class Anything(type):
    """A class of which everything can be asked."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(name)

    def __or__(cls, other: Any) -> Any:
        return cls

    __ror__ = __or__

    def __getitem__(cls, key: Any) -> Any:
        return cls

    def __iter__(cls) -> Iterator[Any]:
        return iter(())


def stand_in(name: str) -> Any:
    """A class that can be called, subclassed, subscripted and used to decorate."""

    def make(cls: type, *args: Any, **_named: Any) -> Any:
        return args[0] if len(args) == 1 and isinstance(args[0], types.FunctionType | type) else object.__new__(cls)

    def quiet(_self: Any, *_args: Any, **_named: Any) -> None:
        return None

    return Anything(name, (), {"__new__": make, "__init__": quiet, "__call__": lambda _self, *a, **_k: a[0] if a else None})


class StandIn(types.ModuleType):
    """An empty module, or one real module with some names added."""

    def __init__(self, name: str, real: Any = None) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__all__: list[str] = []
        self.__version__ = "0"
        self.__dict__["real"] = real

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        real = self.__dict__["real"]
        if real is not None:
            with contextlib.suppress(Exception):
                return getattr(real, name)
            with contextlib.suppress(Exception):
                return importlib.import_module(f"{real.__name__}.{name}")
        return stand_in(name)


class ThirdPackages(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the stand-ins of packages that are not installed, for the module that cannot do without."""

    def __init__(self) -> None:
        self.tops: list[str] = []

    def stand_in_for(self, tops: list[str]) -> None:
        """From now on for these only."""
        for name in [one for one, module in sys.modules.items() if isinstance(module, StandIn)]:
            del sys.modules[name]
        self.tops = tops

    def find_spec(self, fullname: str, *_where: Any) -> Any:
        """For these packages, whatever module is asked for."""
        if fullname.split(".", maxsplit=1)[0] in self.tops:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> Any:
        """An empty one."""
        return StandIn(spec.name)

    def exec_module(self, module: Any) -> None:
        """Nothing to run."""


class Watch:
    """Stands in for ``__import__``: notes which of the importer's statements run, and gives stand-ins where it is told to."""

    def __init__(self, folder: str, package: str, patched: dict[str, list[str]]) -> None:
        self.folder = folder
        self.prefix = os.path.join(folder, package) + os.sep
        self.patched = patched
        self.ran: set[str] = set()
        self.real = builtins.__import__
        for loaded in [one for one in sys.modules if one.split(".")[0] == package]:
            del sys.modules[loaded]  # another release of the importer, which the preloading has brought in

    def __call__(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:  # noqa: A002
        """As ``__import__``."""
        frame = sys._getframe(1)
        file = frame.f_code.co_filename
        if file.startswith(self.prefix):
            at = f"{os.path.relpath(file, self.folder)}:{frame.f_lineno}"
            if not frame.f_code.co_flags & 0x1:  # not a function's code: a module's or a class's
                self.ran.add(at)
            if not level and at in self.patched:
                return self.patch(name, fromlist, self.patched[at])
        return self.real(name, globals, locals, fromlist, level)

    def patch(self, name: str, fromlist: Any, names: list[str]) -> Any:
        """The real module with the missing names added, where there is such a module."""
        if not fromlist:
            return StandIn(name.split(".", maxsplit=1)[0])
        try:
            real = self.real(name, None, None, ["__name__"], 0) if "" not in names else None
        except BaseException:  # noqa: BLE001 (a real module that is broken is as good as none)
            real = None
        return StandIn(name, real)

    def place(self, error: BaseException) -> tuple[str, bool] | None:
        """The importer's innermost line that the error came through, and whether it is at the top level of a module."""
        found, step = None, error.__traceback__
        while step is not None:
            code = step.tb_frame.f_code
            if code.co_filename.startswith(self.prefix):
                found = (f"{os.path.relpath(code.co_filename, self.folder)}:{step.tb_lineno}", not code.co_flags & 0x1)
            step = step.tb_next
        return found


def import_all(
    job: dict[str, Any], modules: list[str], patched: dict[str, list[str]], stubs: dict[str, list[str]]
) -> tuple[dict[str, Any], set[str]]:
    """Import these modules in a forked child, in another where one kills it: each one's outcome, and the lines that ran."""
    outcomes: dict[str, Any] = {}
    ran: set[str] = set()
    pending = list(modules)

    def work(tell: Callable[[Any], None]) -> None:
        watch = Watch(job["folder"], job["package"], patched)
        builtins.__import__ = watch
        third = ThirdPackages()
        sys.meta_path.append(third)
        for module in pending:
            third.stand_in_for(stubs.get(module, []))
            tell(("start", module, None))
            try:
                importlib.import_module(module)
                tell(("end", module, None))
            except BaseException as error:  # noqa: BLE001 (whatever it ends in is the truth)
                tell(("end", module, told_of(error, watch)))
            tell(("ran", sorted(watch.ran), None))
            watch.ran.clear()

    while pending:
        told, _ = in_child(work, SECONDS_FOR_ONE)
        current = None
        for kind, what, error in told:
            if kind == "ran":
                ran.update(what)
            elif kind == "start":
                current = what
            else:
                outcomes[what] = error
        if current is not None and current not in outcomes:
            outcomes[current] = {"error": "the child was killed or crashed"}
        left = [one for one in pending if one not in outcomes]
        if len(left) == len(pending):
            break
        pending[:] = left
    return outcomes, ran


def findable(package: str) -> bool:
    """Whether a package of this name is installed."""
    with contextlib.suppress(ValueError, ImportError):
        return importlib.util.find_spec(package) is not None
    return True


def told_of(error: BaseException, watch: Watch) -> dict[str, Any]:
    """What the parent has to know of an error."""
    cause = root(error)
    place = watch.place(cause) or watch.place(error)
    wanted = cause.name if isinstance(cause, ModuleNotFoundError) else None
    about = (type(cause).__name__, getattr(cause, "name", None), str(cause))
    return {"error": wording(cause), "at": place and place[0], "top": place and place[1], "lacks": wanted, "about": about}


class Whole:
    """The truth of one importer: which statements ran, of which its modules died, and what else kept them from loading."""

    def __init__(self, job: dict[str, Any], found: dict[str, str]) -> None:
        self.job = job
        self.missing: dict[str, list[str]] = {}
        for at, module, names in job["statements"]:
            gone = [name for name in names or [""] if found.get(f"{module} {name.strip('*')}") == MISSING]
            if gone:
                self.missing.setdefault(at, []).extend([""] if found.get(f"{module} ") == MISSING else gone)
        self.patched: dict[str, list[str]] = {}
        self.stubs: dict[str, list[str]] = {}
        self.died: dict[str, str] = {}
        self.first: dict[str, Any] = {}
        self.last: dict[str, Any] = {}

    def learn(self, module: str, outcome: dict[str, Any]) -> bool:
        """From the death of one module, what has to be patched or replaced; whether it was anything new."""
        at, lacks = outcome.get("at"), (outcome.get("lacks") or "").split(".")[0]
        if outcome.get("top") and at in self.missing and at not in self.patched:
            self.patched[at], self.died[at] = self.missing[at], outcome["error"]
            return True
        if not lacks or lacks in self.job["protected"] or lacks in self.stubs.get(module, ()) or findable(lacks):
            return False
        self.stubs.setdefault(module, []).append(lacks)
        if self.first[module] == outcome:
            del self.first[module]  # its first error was our environment's fault
        return True

    def take(self) -> dict[str, Any]:
        """Round after round, until nothing new is learnt."""
        sys.path.insert(0, self.job["folder"])
        ran: set[str] = set()
        pending = list(self.job["modules"])
        for _ in range(ROUNDS):
            outcomes, lines = import_all(self.job, pending, self.patched, self.stubs)
            ran |= lines
            self.last.update(outcomes)
            for module, outcome in outcomes.items():
                self.first.setdefault(module, outcome)
            learnt = [self.learn(module, outcome) for module, outcome in outcomes.items() if outcome]
            pending = [module for module, outcome in self.last.items() if outcome]
            if not any(learnt):
                break
        sys.path.remove(self.job["folder"])
        return {"died": self.died, "ran": sorted(ran), "first": self.first, "last": self.last, "stubs": self.stubs}


def main(job_file: str, answer_file: str) -> None:
    """One environment: what its exporters define, then each importer."""
    with open(job_file, encoding="utf-8") as stream:
        job = json.load(stream)
    began = time.monotonic()
    for module in job["preload"]:
        with contextlib.suppress(BaseException):
            importlib.import_module(module)
    answer: dict[str, Any] = {"direct": direct([tuple(one) for one in job["direct"]]), "importers": {}}
    answer["versions"] = {
        one.metadata["Name"].lower().replace("_", "-"): one.version for one in importlib.metadata.distributions()
    }
    answer["direct_seconds"] = round(time.monotonic() - began, 1)
    for one in job["importers"]:
        began = time.monotonic()
        answer["importers"][one["pin"]] = Whole(one, answer["direct"]).take()
        answer["importers"][one["pin"]]["seconds"] = round(time.monotonic() - began, 1)
    with open(answer_file, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
