"""A prediction beside what came of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from envdoctor.facts import Facts, Known, NotObserved, Unknown
from envdoctor.linkage import Linking, NamePair, Names
from envdoctor.loaded import ImportTried, Live
from envdoctor.predictions import compared
from tests import factory, linked

SITE = factory.SITE


def tried(package: str, **more: Any) -> ImportTried:
    values: dict[str, Any] = {
        "package": package, "module": package, "state": "imported", "seconds": 5.0, "error": None, "trace": (),
    }  # fmt: skip
    return ImportTried(**(values | more))


def facts_with(*imports: ImportTried, **more: Any) -> Facts:
    live = Live(imports=Known(imports, "run"))
    return msgspec.structs.replace(factory.healthy(), live=live, **more)


BROKEN = linked.linking(linked.module("vllm", "vllm/_C.abi3.so", linked.undefined()))


def test_without_a_deep_check_nothing_is_compared() -> None:
    with pytest.raises(NotObserved, match="check --deep does"):
        compared(factory.healthy())


def test_a_package_that_was_to_load_and_loads_agrees() -> None:
    package, module = compared(facts_with(tried("vllm")))
    assert (package.what, package.predicted, package.loaded, package.agree) == ("vllm", True, True, True)
    assert package.outcome == "imported in 5.0 s"
    assert (module.what, module.predicted, module.loaded, module.agree) == ("vllm._C", True, True, True)


def test_a_module_that_was_not_to_load_and_does_not_agrees_with_the_loaders_words() -> None:
    error = f"vllm._C: ImportError: {SITE}/vllm/_C.abi3.so: undefined symbol: {linked.THROW}"
    package, module = compared(facts_with(tried("vllm", unloaded=(error,)), linking=BROKEN))
    assert package.predicted is None
    assert package.agree is None
    assert "vllm._C does not load" in package.why
    assert (module.predicted, module.loaded, module.agree) == (False, False, True)
    assert module.outcome.startswith("ImportError: ")


def test_a_module_that_was_not_to_load_and_loads_is_a_wrong_prediction() -> None:
    _, module = compared(facts_with(tried("vllm"), linking=BROKEN))
    assert (module.predicted, module.loaded, module.agree) == (False, True, False)
    assert linked.THROW in module.why


def test_a_module_that_was_to_load_and_is_refused_by_the_loader_is_a_wrong_prediction() -> None:
    error = f"vllm._C: ImportError: {SITE}/vllm/_C.abi3.so: undefined symbol: foo"
    _, module = compared(facts_with(tried("vllm", unloaded=(error,))))
    assert (module.predicted, module.loaded, module.agree) == (True, False, False)


@pytest.mark.parametrize("error", ["ModuleNotFoundError: No module named 'cupy'", "killed by SIGILL"])
def test_a_module_that_fails_in_another_way_says_nothing_of_the_linker(error: str) -> None:
    _, module = compared(facts_with(tried("vllm", unloaded=(f"vllm._C: {error}",))))
    assert (module.predicted, module.loaded, module.agree) == (True, False, None)


def test_an_import_that_the_loader_refuses_against_the_prediction_is_wrong() -> None:
    error = f"ImportError: {SITE}/vllm/_C.abi3.so: undefined symbol: foo"
    (only,) = compared(facts_with(tried("vllm", state="raised", error=error)))
    assert (only.predicted, only.loaded, only.agree) == (True, False, False)


def test_an_import_that_fails_as_predicted_agrees_even_where_the_package_hides_the_loaders_words() -> None:
    linking = linked.linking(linked.module("torchvision", "torchvision/_C.so", linked.undefined(file="torchvision/_C.so")))
    error = "RuntimeError: operator torchvision::nms does not exist"
    (only,) = compared(facts_with(tried("torchvision", state="raised", error=error), linking=linking))
    assert only.agree is True
    assert "undefined symbol" in only.why


def test_torch_itself() -> None:
    problem = linked.not_found("libcudnn.so.9", "torch/lib/libtorch_cuda.so")
    linking = linked.linking(torch=(problem,))
    (right,) = compared(facts_with(tried("torch", state="raised", error=f"ImportError: {problem.message}"), linking=linking))
    assert (right.predicted, right.agree) == (False, True)
    (wrong,) = compared(facts_with(tried("torch"), linking=linking))
    assert (wrong.predicted, wrong.loaded, wrong.agree) == (False, True, False)


def test_other_failures_are_compared_with_nothing() -> None:
    (only,) = compared(facts_with(tried("trl", state="late", error="no answer in 120 s")))
    assert only.agree is None
    assert "nothing had been predicted" in only.why


def test_names_that_are_not_there() -> None:
    error = "ImportError: cannot import name 'GuidedDecodingParams' from 'vllm.sampling_params' (~/x.py)"
    failed = tried("trl", state="raised", error=error)
    read = (NamePair(importer="trl", exporter="vllm", names=10, undecided=0),)
    facts = factory.healthy()
    present = Known((*factory.DISTRIBUTIONS, factory.dist("trl", "0.25.0")), "probe")
    packages = msgspec.structs.replace(facts.packages, distributions=present)
    found = Names(pairs=Known(read, "read"), missing=Known((linked.use("GuidedDecodingParams"),), "read"))
    (right,) = compared(facts_with(failed, names=found, packages=packages))
    assert right.agree is True
    assert "line 95" in right.why
    (wrong,) = compared(facts_with(failed, names=Names(pairs=Known(read, "read"), missing=Known((), "read")), packages=packages))
    assert wrong.agree is False
    (unread,) = compared(facts_with(failed, names=Names(), packages=packages))
    assert unread.agree is None


def test_a_part_whose_own_file_takes_a_name_that_is_not_there_was_not_to_load() -> None:
    lacking = Names(pairs=Known((), "read"), missing=Known((linked.use("GuidedDecodingParams"),), "read"))
    (root, part) = compared(facts_with(tried("trl"), tried("trl", module="trl.trainer.grpo_trainer"), names=lacking))
    assert (root.predicted, root.agree) == (None, None)
    assert "may be read later" in root.why
    assert (part.predicted, part.loaded, part.agree) == (False, True, False)


def test_a_package_of_which_nothing_was_looked_at_was_not_predicted() -> None:
    (only,) = compared(facts_with(tried("numpy")))
    assert (only.predicted, only.agree) == (None, None)
    read = Names(
        pairs=Known((NamePair(importer="trl", exporter="vllm", names=10, undecided=0),), "read"), missing=Known((), "read")
    )
    (trl,) = compared(facts_with(tried("trl"), names=read))
    assert (trl.predicted, trl.agree) == (True, True)
    assert "all 10 names" in trl.why


def test_where_the_linker_could_not_judge_nothing_is_compared() -> None:
    blind = Linking(torch=Unknown("no files"), modules=Unknown("no files"))
    error = f"ImportError: {SITE}/vllm/_C.abi3.so: undefined symbol: foo"
    (only,) = compared(facts_with(tried("vllm", state="raised", error=error), linking=blind))
    assert (only.predicted, only.agree) == (None, None)
