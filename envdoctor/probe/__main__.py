"""Run every section and print one JSON document.

The request is words of the form KEY=VALUE, all optional:
``deadline_s``: seconds for the whole probe; ``venv``: probe this environment's folder under another interpreter, because its
own does not start; ``root``: judge this folder as a root, from outside, and in it the Python that ``inside`` names (else the
best one); ``image``: this is a container made of that image only to look into it (with ``root``: the folder is its root, and
``environ`` the JSON of what its configuration sets); ``pynvml``: path of the module that travels along, or "travels" where
its text came with the probe's own; ``extras``: also run compilers, lscpu, topo; ``deep_link``: "all" or distributions by
comma, whose libraries are all linked too; ``bare``: link each file as a plain dlopen would, with nothing of its own package
opened before it; ``alone``: link without ``import torch`` before; ``name_pairs``: "a>b,c>d", importers and exporters whose
names are compared too; ``records``: also compare every file that a RECORD lists with its hash.
"""

import gc
import json
import os
import sys
import threading
import time

from . import (
    builds,
    container,
    cuda,
    device_code,
    driver,
    environ,
    extras,
    gpus,
    host,
    interpreter,
    linking,
    names,
    ownership,
    packages,
    records,
    root,
)  # fmt: skip
from .beside import Beside
from .machine import Machine, unknown
from .redaction import homes_of, redacted, users_of

SCHEMA_VERSION = 1
PROBE_VERSION = "1"
BUDGET_S = 8.0
NO_ANSWER = "no answer in %g s"
PATIENCE_S = 0.2
SECTIONS = (  # (name, module, the section whose results it builds on)
    ("driver", driver, None),
    ("gpus", gpus, None),
    ("extras", extras, None),
    ("python", interpreter, None),
    ("packages", packages, "python"),
    ("builds", builds, "packages"),
    ("cuda", cuda, "python"),
    ("container", container, None),
    ("environ", environ, None),
    ("host", host, None),
)
BESIDE = (  # each group in a process of its own: (name, module)
    (("linking", linking), ("device_code", device_code)),
    (("names", names), ("ownership", ownership)),
)
ON_REQUEST = ((("records", records),),)
WAIT_FOR_PROGRAMS = {"driver", "gpus", "extras"}


def main():
    """Entry point: argv holds the request, standard output gets the document."""
    gc.disable()  # a short life that makes few cycles: collecting costs more than it frees
    ask = dict(word.partition("=")[::2] for word in sys.argv[1:])
    machine = Machine()
    try:
        if ask.get("root"):
            machine, ask = root.entered(ask)
        document = take(machine, ask)
    except root.Refused as refused:
        document = {"refused": [root.plain(words) for words in refused.args]}
    else:
        if machine.at_rest:
            # as it must be typed, so not redacted; the doctor does that before anything leaves the machine
            document["target"] = root.target(machine, ask)
        elif ask.get("image"):
            document["target"] = root.in_container(machine, ask)
    sys.stdout.buffer.write(json.dumps(document).encode("ascii") + b"\n")
    sys.stdout.buffer.flush()
    machine.kill_children()
    # threads that hang in the kernel must not keep the process alive
    os._exit(0)


def take(machine, ask):
    """The whole document of ``machine``. A section that is late or fails costs its own leaves and those that are made from them."""
    started = time.monotonic()
    budget = float(ask.get("deadline_s", BUDGET_S))
    leaves = {name: dict.fromkeys(module.LEAVES, unknown(NO_ANSWER % budget)) for name, module, _after in SECTIONS}
    beside = [*BESIDE, *(ON_REQUEST if ask.get("records") else ())]
    for group in beside:
        for name, module in group:
            leaves[name] = dict.fromkeys(module.LEAVES, unknown(NO_ANSWER % budget))
    helpers = [Beside(machine, ask, group) for group in beside] if machine.live or machine.at_rest else []
    threads = {}
    for name, module, after in SECTIONS:
        if name == "extras" and not ask.get("extras"):
            continue
        before = threads.get(after)
        threads[name] = threading.Thread(target=run_section, args=(name, module, before, leaves, machine, ask), daemon=True)
        threads[name].start()
        if name not in WAIT_FOR_PROGRAMS:
            # one after another while they answer: threads that only read files slow each other down; one that hangs is left behind
            threads[name].join(PATIENCE_S)
    for thread in threads.values():
        thread.join(max(0.0, budget - (time.monotonic() - started)))
    for helper in helpers:
        helper.collect(leaves, started + budget)
    if not helpers:
        for group in beside:
            for name, module in group:
                run_section(name, module, None, leaves, machine, ask)
    # copied, because a section that is late may still write
    seen = {name: dict(leaves[name]) for name in leaves}
    document = {
        "schema_version": SCHEMA_VERSION,
        "probe_version": PROBE_VERSION,
        "taken_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "probe_seconds": round(time.monotonic() - started, 4),
        "target": {"spec": "", "chosen": ""},
        "host": seen["host"],
        "driver": seen["driver"],
        "gpus": seen["gpus"],
        "cuda": seen["cuda"],
        "python": seen["python"]["interpreter"],
        "packages": seen["packages"],
        "builds": seen["builds"],
        "environ": seen["environ"]["variables"],
        "container": seen["container"],
        "linking": seen["linking"],
        "device_code": seen["device_code"]["libraries"],
        "overwritten": seen["ownership"]["overwritten"],
        "names": seen["names"],
        "extras": seen["extras"] if ask.get("extras") else {},
    }
    if ask.get("records"):
        document["records"] = seen["records"]["checked"]
    return redacted(document, homes_of(machine), users_of(machine))


def run_section(name, module, before, leaves, machine, ask):
    """Run one section after the one it builds on (a thread or None); ``ask["sections"]`` hands the results on."""
    if before is not None:
        before.join()
    out = leaves[name]
    try:
        if machine.at_rest or ask.get("image"):
            root.probe(name, module, out, machine, dict(ask, sections=leaves))
        else:
            module.probe(out, machine, dict(ask, sections=leaves))
    except Exception as error:  # a section's bug costs that section
        for leaf, value in out.items():
            if value.get("why", "").startswith("no answer"):
                out[leaf] = unknown("the probe failed here: %s: %s" % (type(error).__name__, error))


if __name__ == "__main__":
    main()
