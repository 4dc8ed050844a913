"""What was predicted beside what was measured: one row for each file and for each import, and how often they agree."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.truth.saying import LOADS, absent_module, of_the_loader, same

if TYPE_CHECKING:
    from collections.abc import Iterator

Record = dict[str, Any]
"""All that was measured and predicted of one environment, as :mod:`tests.truth.record` writes it."""
OWN_PROBLEM = "the linker"
TRIED_AGAIN = "`torch` can only be initialized once"
"""What torch says, since 2.15, when it is imported again after its import failed."""
OF_THE_DRIVER = ("libnvidia-encode.so.1", "libnvcuvid.so.1")
TORCH = "the linker, of torch"


@dataclass(frozen=True)
class FileRow:
    """One file in one context."""

    context: str
    file: str
    measured: str
    """A kind of :data:`tests.truth.saying.KINDS`."""
    predicted: str
    """The kind of the first problem; "loads" if there is none."""
    reason: str
    """"same": the measured lack is the first that was predicted, "among": it is among those, "other" or "" (nothing to compare)."""
    said: str = ""
    expected: str = ""

    @property
    def wrong(self) -> str:
        """The word for a disagreement: "false alarm", "miss" or "other reason"; empty if there is none."""
        if self.measured == LOADS:
            return "" if self.predicted == LOADS else "false alarm"
        if self.predicted == LOADS:
            return "miss"
        return "" if self.reason in {"same", "among"} else "other reason"


@dataclass(frozen=True)
class ImportRow:
    """One extension module, or one package."""

    kind: str
    """module or package."""
    name: str
    said: str
    """How its import really ended; empty if it works."""
    by: str
    """Who predicts that it fails: the linker or a rule; empty if nobody does."""
    absent: bool = False
    """No matter of linking: it wants a Python package that is not here, or a library of the driver without a stand-in, or its own
    package does not let it in.
    """

    @property
    def outcome(self) -> str:
        """TP, FP, FN, TN, or "absent"."""
        if self.said:
            return "TP" if self.by else "absent" if self.absent else "FN"
        return "FP" if self.by else "absent" if self.absent else "TN"


@dataclass
class Outcome:
    """One environment."""

    record: Record
    files: list[FileRow] = field(default_factory=list)
    imports: list[ImportRow] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the environment."""
        return str(self.record["name"])

    def wrong(self) -> list[FileRow]:
        """Files of which the prediction is not what was measured."""
        return [row for row in self.files if row.wrong]

    def counted(self) -> Counter[str]:
        """How often each outcome of imports."""
        return Counter(row.outcome for row in self.imports)


def compare(record: Record) -> Outcome:
    """Both levels of one environment."""
    of_modules = list(module_rows(record))
    return Outcome(
        record, list(file_rows(record)), [*of_modules, *package_rows(record, {row.name: row.by for row in of_modules})]
    )


def file_rows(record: Record) -> Iterator[FileRow]:
    """Each file in each context that was measured."""
    for context, measured in record["files"].items():
        predicted = record["predicted_files"].get(context, {"said": {}})["said"]
        torch = record["predicted_files"].get(context, {}).get("torch", [])
        if absent_module(measured.get("torch", "")) == "torch":
            continue
        if context == "torch":
            yield file_row(context, "import torch", measured["torch"], [["", "", one] for one in torch])
        for file, text in measured["said"].items():
            if file in predicted:
                yield file_row(context, file, text, predicted[file])
            else:
                yield FileRow(context, file, of_the_loader(text).kind, "not judged", "", text)


def file_row(context: str, file: str, text: str, problems: list[list[str]]) -> FileRow:
    """One file; a problem is [kind, wants, message]."""
    said = of_the_loader(text)
    messages = [message for _, _, message in problems]
    if said.kind == LOADS or not problems:
        reason = ""
    elif messages[0] in text or same(said, file, *problems[0][:2]):
        reason = "same"
    else:
        among = any(message in text or same(said, file, kind, wants) for kind, wants, message in problems)
        reason = "among" if among else "other"
    kind = LOADS if not problems else problems[0][0] or of_the_loader(messages[0]).kind
    return FileRow(context, file, said.kind, kind, reason, text, "; ".join(messages[:2]))


def module_rows(record: Record) -> Iterator[ImportRow]:
    """Each extension module, and each library that the section ``linking`` judges as one that its package opens."""
    judged = {one["path"]: one for one in modules(record)}
    not_let_in = hidden_packages(record)
    for path, said in record["imports"]["modules"].items():
        one = judged.get(path)
        if one is None and not record["importable"].get(path):
            continue  # a library that nobody imports: it is judged as a file
        by = OWN_PROBLEM if one is not None and one["problems"] else ""
        by = by or (imported_by(record, path, said) or blamed(record, path.split("/")[0].split(".")[0], said) if said else "")
        hidden = not_let_in & set(prefixes(record["importable"].get(path) or ""))
        yield ImportRow("module", path, said, "" if hidden else by, absent(record, said) or bool(hidden))


def hidden_packages(record: Record) -> set[str]:
    """Folders that their own package does not let in: to importing a module of theirs it says that there is no such folder."""
    said = record["imports"]["modules"]
    named = ((absent_module(said[path]), module) for path, module in record["importable"].items() if module and path in said)
    return {name for name, module in named if name in prefixes(module)}


def prefixes(module: str) -> list[str]:
    """The packages inside its top-level package in which a module lies, by full name."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(2, len(parts))]


def package_rows(record: Record, explained: dict[str, str]) -> Iterator[ImportRow]:
    """Each package: broken if its import fails, or if a module of the default scan does that is none of several variants.

    ``explained`` says who predicts that a module fails.
    """
    required: dict[str, list[str]] = {}
    predicted = set()
    for one in modules(record, "default"):
        if not one["optional"] and one["path"] in record["imports"]["modules"]:
            required.setdefault(one["path"].split("/")[0].split(".")[0], []).append(one["path"])
            if one["problems"]:
                predicted.add(one["path"].split("/")[0].split(".")[0])
    alone = set(record["importable"].values())
    for package, ended in record["imports"]["packages"].items():
        if package in alone:
            continue  # it is one module, and has its row
        failing = [path for path in required.get(package, ()) if record["imports"]["modules"].get(path)]
        said = ended or (record["imports"]["modules"][failing[0]] if failing else "")
        by = OWN_PROBLEM if package in predicted else ", ".join(claims(record, package))
        if by and by != OWN_PROBLEM and not said:
            # a rule speaks of all that the package brings: scipy imports what is broken in it when it is asked for
            said = next(
                (ended for path, ended in record["imports"]["modules"].items() if ended and path.startswith(package + "/")), ""
            )
            by = "" if not said and of_a_broken_distribution(record, package) else by
        if said and not by:
            by = blamed(record, package, said) if ended else explained.get(failing[0], "")
        yield ImportRow("package", package, said, by, absent(record, said))


def of_a_broken_distribution(record: Record, package: str) -> bool:
    """Whether another package of the same distribution cannot be imported: then what a rule says of the distribution is true."""
    owners = set(record["owners"].get(package, ()))
    others = (other for other, ended in record["imports"]["packages"].items() if ended and other != package)
    return any(owners.intersection(record["owners"].get(other, ())) for other in others)


def absent(record: Record, said: str) -> bool:
    """Whether the import wants a package of which nothing is installed, or a library of the driver that has no stand-in."""
    name = absent_module(said).split(".")[0]
    return (bool(name) and name not in record["owners"]) or any(library in said for library in OF_THE_DRIVER)


def modules(record: Record, scan: str = "linking") -> list[Record]:
    """The modules that the section judged, all or those of the default scan; none if it could not say."""
    return value(record[scan]["modules"])


def value(leaf: Record) -> list[Record]:
    """The value of a leaf that holds several; nothing if it is not known."""
    return list(leaf["value"]) if leaf["is"] == "known" else []


def claims(record: Record, package: str) -> list[str]:
    """Rules that say of a package, from bytes and not from declarations, that it does not work here."""
    owners = record["owners"].get(package, ())
    return sorted({code for code, layer, subject in record["claims"] if layer == "linked" and subject in owners})


def imported_by(record: Record, path: str, said: str) -> str:
    """Who says why a module fails whose file does load: it imports another module, which is judged to fail in these words."""
    if any(record["files"][context]["said"].get(path) for context in record["files"]):
        return ""
    for one in modules(record):
        error = record["imports"]["modules"].get(one["path"], "")
        if error and one["path"] != path and one["problems"] and words(error) in said:
            return f"{OWN_PROBLEM}, of another module"
    return ""


def blamed(record: Record, package: str, said: str) -> str:
    """Who says why this failed, other than by a problem of its own: a rule, or what is said of the package that failed first."""
    by = claims(record, package)
    if by:
        return ", ".join(by)
    for one in value(record["overwritten"]):
        if re.search(rf"\b{re.escape(os.path.dirname(one['path']).replace('/', '.'))}\b", said):
            return f"overwritten files of {' and '.join(one['owners'])}"
    ended = record["imports"]["torch"]
    leaf = record["linking"]["torch"]
    if ended and leaf["is"] == "known" and leaf["value"] and leaf["value"]["problems"]:
        # the modules are judged as they are once torch can be imported: by then it has mapped what lies here and they lack
        lacking = os.path.basename(of_the_loader(said).wants)
        repeated = (words(ended), words(leaf["value"]["problems"][0]["message"]), TRIED_AGAIN)
        here = map(os.path.basename, record["files"]["plain"]["said"])
        if "torch" in record["owners"].get(package, ()) or any(one in said for one in repeated) or lacking in here:
            return TORCH
    for other, error in record["imports"]["packages"].items():
        if error and other != package and words(error) in said:
            broken = [
                one for one in modules(record) if one["path"].startswith(other + "/") and one["problems"] and not one["optional"]
            ]
            rules = claims(record, other)
            if broken or rules:
                return f"{', '.join(rules) or OWN_PROBLEM}, of {other}"
    return ""


def words(error: str) -> str:
    """The error without the name of its class: what stays the same where it is raised again as another."""
    return re.sub(r"^\w+: ", "", error)


def share(part: int, rest: int) -> str:
    """A quotient for the table; "-" where there was nothing to count."""
    return f"{part / (part + rest):.3f}" if part + rest else "-"
