"""Whether a use that importing.py found fails: what the exporter says of it, and whether it runs at all."""

from . import versions


def answer(exporter, module, name):
    """What the exporter says of a use: of a name, a member ("Worker.load_model") or a keyword ("LLM(model)")."""
    if name.endswith(")"):
        called, _, keyword = name[:-1].partition("(")
        return exporter.accepts(module, called, keyword)
    if "." in name:
        return exporter.member(module, *name.split(".", 1))
    return exporter.status(module, name)


def runs(use, status, installed):
    """Whether a use runs in an environment: True, False, or None where that cannot be told.

    ``status(module, name)`` answers as Exporter.status; ``installed`` is {import name: version}.
    """
    answer = True
    for package, operator, version in use["when"]:
        holds = versions.holds(installed.get(package), operator, version)
        if holds is False:
            return False
        answer = None if holds is None else answer
    for word, which in use["given"]:
        states = [status(module, name) for _exporter, module, name in which]
        if word == "missing":
            # an except clause: it runs when something in the try failed
            if "missing" not in states:
                answer = None if "undecided" in states else False
        elif "missing" in states:
            return False
        if answer is False:
            return False
    return answer


def fails(use, status, installed):
    """Whether a use surely runs and finds nothing. ``status(module, name)`` takes names in the notation of uses.

    What is looked up in an object whose module is gone is left out: the import of the object says it already.
    """
    if status(use["module"], use["name"]) != "missing" or runs(use, status, installed) is not True:
        return False
    return use["kind"] in ("name", "module") or status(use["module"], "") != "missing"
