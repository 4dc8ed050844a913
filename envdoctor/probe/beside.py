"""Sections that read the most run in processes of their own, beside the others: on another core, and killable.

A process is forked before the first thread starts. It reads the interpreter and the packages for itself (cheaper than
waiting for them), and writes one line of JSON as soon as a section is done, so that a late section costs only itself. A
file that shrinks while it is mapped (SIGBUS) ends such a process, not the probe.
"""

import json
import os
import select
import signal
import time

from . import interpreter, packages
from .machine import unknown

PIPE_BYTES = 64 * 1024
MAX_LINE_BYTES = 16 * 1024 * 1024
ENDED = "the process that looked ended before it was done"


class Beside:
    """One forked process that runs ``sections`` ((name, module) pairs) in their order."""

    def __init__(self, machine, ask, sections):
        self.names = [name for name, _module in sections]
        self.pipe, into = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            try:
                os.setpgid(0, 0)
                os.close(self.pipe)
                work(machine, ask, sections, into)
            finally:
                os._exit(0)
        os.close(into)

    def collect(self, leaves, until):
        """Put what it writes into ``leaves``, until it is done or ``until`` (time.monotonic()) has come; then it is killed."""
        got, done = bytearray(), set()
        ready = select.poll()  # select() takes no descriptor above 1023
        ready.register(self.pipe, select.POLLIN)
        try:
            while len(done) < len(self.names):
                left = until - time.monotonic()
                if left <= 0 or not ready.poll(left * 1000):
                    return
                part = os.read(self.pipe, PIPE_BYTES)
                if not part or len(got) > MAX_LINE_BYTES:
                    break
                got += part
                while b"\n" in got:
                    line, _, rest = bytes(got).partition(b"\n")
                    got = bytearray(rest)
                    name, values = json.loads(line)
                    leaves[name].update(values)
                    done.add(name)
            for name in self.names:
                if name not in done:
                    leaves[name].update(dict.fromkeys((key for key in leaves[name] if key != "seconds"), unknown(ENDED)))
        finally:
            self.kill()

    def kill(self):
        """End it and reap it; safe to call twice."""
        if self.child is None:
            return
        child, self.child = self.child, None
        os.close(self.pipe)
        for end in (os.killpg, os.kill):
            try:
                end(child, signal.SIGKILL)
            except OSError:  # it has ended, or had no time to make its own group
                pass
        until = time.monotonic() + 0.2
        try:
            while os.waitpid(child, os.WNOHANG)[0] == 0 and time.monotonic() < until:
                time.sleep(0.001)
        except OSError:
            pass


def work(machine, ask, sections, into):
    """In the forked process: run the sections and write their leaves."""
    found = {"python": {}, "packages": {}}
    run(found["python"], interpreter, machine, ask, found)
    run(found["packages"], packages, machine, ask, found)
    for name, module in sections:
        found[name] = {}
        run(found[name], module, machine, ask, found)
        data = json.dumps([name, found[name]]).encode("ascii") + b"\n"
        while data:
            data = data[os.write(into, data) :]


def run(out, module, machine, ask, found):
    """Run one section as it would run in the probe's own process; a failure becomes the reason of its leaves."""
    out.update(dict.fromkeys(module.LEAVES, unknown("not looked at")))
    try:
        module.probe(out, machine, dict(ask, sections=found))
    except Exception as error:  # a section's bug costs that section
        for leaf in module.LEAVES:
            if out[leaf]["is"] == "unknown":
                out[leaf] = unknown("the probe failed here: %s: %s" % (type(error).__name__, error))
