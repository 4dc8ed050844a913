"""The link map of one process, as glibc's dynamic loader would build it, and what it would refuse (dl-open.c, dl-deps.c).

A Process maps libraries and checks symbol versions over files only; symbols are bound in binding.py.
"""

import os
import re

from .binding import MAX_PROBLEMS, Memo, Problem, Scope, text
from .elf import NotElf
from .ldso import ET_DYN, PLATFORMS, Refused
from .machine import Missing, Trouble

# what the NVIDIA driver brings: {SONAME: how the names of its functions begin}
DRIVER = {
    "libcuda.so.1": b"cu",
    "libnvidia-ml.so.1": b"nvml",
    "libcudadebugger.so.1": b"",
    "libnvcuvid.so.1": b"cuvid",
    "libnvidia-encode.so.1": b"NvEncode",
}
# what glibc keeps for the static TLS of libraries that are opened later: in 2.31 64 + 16 * 100 bytes, since 2.32 by
# dl_tls_static_surplus_init() 3 * 192 + 4 * 144 + 512; the whole is rounded up to 64
STATIC_TLS_SURPLUS = 1664
OPTIONAL_STATIC_TLS = 512  # the part of it that GLIBC_TUNABLES sets
TLS_ALIGNMENT = 64
MAX_LIBRARIES = 2000  # one process; a whole vLLM environment maps under 300


class Assumed:
    """Stands for a library that will come with the driver."""

    needs, soname, rpath, runpath, tls = (), None, None, None, (0, 1)
    static_tls = symbolic = no_default_folders = no_open = is_program = False
    versions_needed, versions_defined = (), frozenset()

    def __init__(self, prefix):
        self.prefix = prefix

    def defines(self, name, *_asked):
        """Whether the driver is taken to have this function."""
        return name.startswith(self.prefix)

    def undefined(self):
        """Nothing is asked of anyone."""
        return ()


class Mapped:
    """A library in the link map of a process."""

    __slots__ = ("above", "asking", "group", "how", "library", "needs", "path")

    def __init__(self, library, path, how, above):
        self.library, self.path, self.how, self.above = library, path, how, above
        self.asking = self.needs = None
        self.group = (self,)


class Process:
    """One process. ``fork`` it to try something; libraries are shared between forks, maps are not."""

    def __init__(self, system):
        """The interpreter as it has just been started."""
        self.system = system
        self.by_identity, self.by_name, self.scope = {}, {}, ()
        self.tls_used, self.tls_room = 0, None
        self.memo = Memo()
        self.assumed = ()
        program = system.file(system.program)
        self.main = self._add(program, system.program, "program", ())
        self.scope = tuple(self._map(self.main)[0])
        for name in system.preloaded():
            self._preload(name)
        for one in self.scope:
            size, align = one.library.tls
            self.tls_used = rounded(self.tls_used + size, align) if size else self.tls_used
        surplus = STATIC_TLS_SURPLUS
        tuned = re.search(
            r"(?:^|:)glibc\.rtld\.optional_static_tls=(\d{1,9})(?::|$)", system.machine.environ.get("GLIBC_TUNABLES", "")
        )
        if tuned:
            surplus += int(tuned.group(1)) - OPTIONAL_STATIC_TLS
        self.tls_room = rounded(self.tls_used + surplus, TLS_ALIGNMENT)

    def assume_driver(self):
        """Take the driver's libraries for present where there is no libcuda; which ones were."""
        asking = (), (), False
        if self.system.search("libcuda.so.1", asking) is None:
            self.assumed = tuple(name for name in DRIVER if self.system.search(name, asking) is None)
        return self.assumed

    def fork(self):
        """A copy in which libraries can be opened without effect on this one."""
        new = object.__new__(Process)
        new.__dict__.update(self.__dict__)
        new.by_identity, new.by_name = dict(self.by_identity), dict(self.by_name)
        return new

    def open(self, path, everywhere=False, keep=False):
        """dlopen(path, RTLD_NOW): the problems for which it fails, first the one that dlerror() names.

        ``everywhere`` is RTLD_GLOBAL. What fails leaves nothing behind unless ``keep`` is set: then the process goes on as if
        the problems were solved.
        """
        place = self.system.place(path)
        if place is None:
            return [missing_file(path, path)]
        known = self.by_identity.get(place[1])
        if known is not None:
            if everywhere:
                self._promote(known)
            return []
        try:
            library = self.system.file(path)
        except Refused as error:
            return [Problem(error.kind, path, error.wants, None, "%s: %s" % (path, error))]
        except (Missing, Trouble) as error:
            return [Problem("missing-library", path, os.path.basename(path), None, str(error))]
        refused = self._refused(library, path)
        if refused is not None:
            return [refused]
        before = dict(self.by_identity), dict(self.by_name), self.tls_used
        known = set(map(id, self.by_identity.values()))
        top = self._add(library, path, "path", (self.main,))
        group, problems = self._map(top)
        if not problems:
            problems = self._check(group, [one for one in group if id(one) not in known])
        if problems and not keep:
            self.by_identity, self.by_name, self.tls_used = before
        elif everywhere:
            self._promote(top)
        return problems

    def mapped(self, path):
        """The libraries that opening ``path`` would map or find mapped, itself first, whether they bind or not."""
        place = self.system.place(path)
        known = self.by_identity.get(place[1]) if place is not None else None
        if known is None:
            try:
                known = self._add(self.system.file(path), path, "path", (self.main,))
            except (Refused, Missing, Trouble, NotElf):
                return []
            self._map(known)
        return known.group

    group_of = mapped

    def _refused(self, library, path):
        """Why this file cannot be opened as a library, or None."""
        if library.machine != self.system.architecture:
            words = "%s: cannot open shared object file: No such file or directory" % path
            return Problem("wrong-machine", path, PLATFORMS[self.system.architecture], None, words)
        if library.type != ET_DYN:
            return Problem("not-elf", path, "", None, "%s: cannot dynamically load executable" % path)
        if library.is_program:
            return Problem("not-elf", path, "", None, "%s: cannot dynamically load position-independent executable" % path)
        if library.no_open:
            return Problem("not-elf", path, "", None, "%s: shared object cannot be dlopen()ed" % path)
        return None

    def _add(self, library, path, how, above):
        one = Mapped(library, path, how, above)
        place = self.system.place(path) if how != "assumed" else None
        self.by_identity[place[1] if place else path] = one
        if library.soname is not None:
            self.by_name.setdefault(library.soname, one)
        return one

    def _map(self, top):
        """Map what ``top`` needs, breadth first: (its search list, the problems)."""
        group, seen, problems = [top], {id(top)}, []
        for asker in group:  # it grows meanwhile
            if asker.needs is None:
                found = [self._needed(name, asker, problems) for name in asker.library.needs]
                asker.needs = [one for one in found if one is not None]
            for one in asker.needs:
                if id(one) not in seen:
                    seen.add(id(one))
                    group.append(one)
        top.group = tuple(group)
        return group, problems

    def _needed(self, name, asker, problems):
        """The mapped library for one DT_NEEDED; None, and a problem, where there is none."""
        system = self.system
        if "$" in name:  # the interpreters that uv installs name their library "$ORIGIN/../lib/libpython3.12.so.1.0"
            name = system.expanded(name, asker.path)
        one = self.by_name.get(name)
        if one is not None:
            return one
        if "/" in name:
            found = (name, "path") if system.place(name) else None
        else:
            if asker.asking is None:
                above = [(one.library, one.path) for one in asker.above]
                asker.asking = system.folders_of(asker.library, asker.path, above)
            found = system.search(name, asker.asking)
        if found is None and name in self.assumed:
            one = self._add(Assumed(DRIVER[name]), name, "assumed", ())
        elif found is None or len(self.by_identity) > MAX_LIBRARIES:
            if not any(name == said.wants for said in problems):
                problems.append(missing_file(asker.path, name))
            return None
        else:
            path, how = found
            one = self.by_identity.get(system.place(path)[1])
            if one is None:
                try:
                    library = system.file(path)
                except (Refused, Missing, Trouble) as error:
                    problems.append(Problem(getattr(error, "kind", "not-elf"), path, name, None, "%s: %s" % (path, error)))
                    return None
                one = self._add(library, path, how, (asker, *asker.above))
        self.by_name.setdefault(name, one)
        return one

    def _promote(self, top):
        known = set(map(id, self.scope))
        self.scope += tuple(one for one in top.group if id(one) not in known)

    def _preload(self, name):
        """A word of LD_PRELOAD: what cannot be loaded is passed over with a warning."""
        if "/" not in name:
            found = self.system.search(name, self.system.folders_of(self.main.library, self.main.path, ()))
            name = found[0] if found else ""
        place = self.system.place(name) if name.startswith("/") else None
        if place is None or place[1] in self.by_identity or not self.system.suitable(name):
            return
        try:
            library = self.system.file(name)
        except (Refused, Missing, Trouble):
            return
        one = self._add(library, name, "LD_PRELOAD", (self.main,))
        group, _problems = self._map(one)
        known = set(map(id, self.scope))
        self.scope = (self.scope[0], *(each for each in group if id(each) not in known), *self.scope[1:])

    def _check(self, group, new):
        """Versions first, then symbols, dependencies first: the problems in ld.so's order."""
        problems, lacking = [], set()
        waiting = set(map(id, new))
        for one in new:
            try:
                problems += self._versions(one, lacking)
            except NotElf as error:
                waiting.discard(id(one))
                problems.append(Problem("not-elf", one.path, "", None, "%s: damaged ELF file: %s" % (one.path, error)))
        visible = Scope(self.scope, group, self.by_name)
        for one in relocation_order(group):
            if id(one) in waiting and len(problems) < MAX_PROBLEMS:
                try:
                    problems += self._static_tls(one)
                    problems += self.memo.unbound(one, visible, lacking)
                except NotElf as error:
                    problems.append(Problem("not-elf", one.path, "", None, "%s: damaged ELF file: %s" % (one.path, error)))
        return problems

    def _versions(self, one, lacking):
        """Symbol versions that the libraries in this process do not have (dl-version.c)."""
        one.library.undefined()
        found = []
        for soname, version, weak in one.library.versions_needed:
            asked = self.by_name.get(soname)
            if weak or asked is None:
                continue
            defined = versions_of(asked.library)
            # a library without any versions is taken as it is
            if defined and version not in defined:
                lacking.add((soname, version))
                name = text(version)
                words = "%s: version `%s' not found (required by %s)" % (asked.path, name, one.path)
                found.append(Problem("missing-version", one.path, name, soname, words))
        return found

    def _static_tls(self, one):
        """A library whose code wants its thread-local block in the room that was kept when the process started."""
        size, align = one.library.tls
        if not one.library.static_tls or not size:
            return []
        used = rounded(self.tls_used + size, min(max(align, 1), 4096))
        if used > self.tls_room:
            words = "%s: cannot allocate memory in static TLS block" % one.path
            return [Problem("static-tls", one.path, "%d bytes" % size, None, words)]
        self.tls_used = used
        return []


def versions_of(library):
    """The versions that a library defines; one whose tables are damaged is reported by itself."""
    if library.versions_defined is None:
        try:
            library.undefined()
        except NotElf:
            return frozenset()
    return library.versions_defined


def relocation_order(group):
    """The mapped libraries of a search list, those first on which others depend (glibc's dl-sort-maps.c)."""
    done, order = set(), []
    for start in reversed(group):
        stack = [(start, iter(start.needs or ()))] if id(start) not in done else []
        done.add(id(start))
        while stack:
            one, rest = stack[-1]
            following = next((each for each in rest if id(each) not in done), None)
            if following is None:
                order.append(one)
                stack.pop()
            else:
                done.add(id(following))
                stack.append((following, iter(following.needs or ())))
    return order


def missing_file(asker, name):
    """What ld.so says when it does not find a library."""
    words = "%s: cannot open shared object file: No such file or directory" % name
    return Problem("missing-library", asker, name, None, words)


def rounded(value, align):
    """``value`` rounded up to a multiple of ``align``."""
    return -(-value // max(align, 1)) * max(align, 1)
