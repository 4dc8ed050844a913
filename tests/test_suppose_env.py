"""Facts as they would be with another environment."""

from __future__ import annotations

from envdoctor import facts as f
from envdoctor.examine import Wishes, examine
from envdoctor.facts import Facts, Known, Unknown, need
from envdoctor.sources import pasted
from envdoctor.suppose import parse, supposing
from envdoctor.views import distributions
from tests.factory import MATRIX, SITE, dist, edit, healthy

USER = "~/.local/lib/python3.11/site-packages"


def library(folder: str, origin: str) -> f.Library:
    return f.Library(stem="libcudart", soname="libcudart.so.12", path=f"{folder}/libcudart.so.12", version=None, origin=origin)


def shadowed() -> Facts:
    found = (library("/a", "LD_LIBRARY_PATH"), library("/b", "LD_LIBRARY_PATH"), library("/wheel", "wheel"))
    return edit(healthy(), cuda__libraries=Known(found, "x"), environ=Known({"LD_LIBRARY_PATH": "/a:/b"}, "x"))


def order(facts: Facts) -> list[tuple[str, str]]:
    return [(one.path.rpartition("/")[0], one.origin) for one in need(facts.cuda.libraries)]


def test_unsetting_ld_library_path_drops_what_it_let_in() -> None:
    facts = supposing(shadowed(), {"env:LD_LIBRARY_PATH": "none"}, MATRIX)
    assert order(facts) == [("/wheel", "wheel")]
    assert need(facts.environ) == {}


def test_naming_other_folders_puts_their_copies_first_in_the_variables_order() -> None:
    facts = supposing(shadowed(), {"env:LD_LIBRARY_PATH": "/wheel:/b/"}, MATRIX)
    assert order(facts) == [("/wheel", "LD_LIBRARY_PATH"), ("/b", "LD_LIBRARY_PATH")]


def test_a_libcuda_is_found_once_its_folder_is_named() -> None:
    wsl = f.LibCuda(path="/usr/lib/wsl/lib/libcuda.so.1", version=None, kind="wsl", origin="wsl")
    facts = supposing(edit(healthy(), driver__libcuda=Known((wsl,), "x")), {"env:LD_LIBRARY_PATH": "/usr/lib/wsl/lib"}, MATRIX)
    assert [one.origin for one in need(facts.driver.libcuda)] == ["LD_LIBRARY_PATH"]


def leaking() -> Facts:
    leaf = healthy().packages.distributions
    user = dist("torch", "2.6.0", location=USER)
    facts = edit(healthy(), packages__distributions=Known((user, *need(leaf)), "x"), environ=Known({"PYTHONPATH": USER}, "x"))
    return edit(facts, python__user_site=Known(USER, "x"), python__pythonpath=(USER,), python__site_dirs=Known((USER, SITE), "x"))


def test_pythonnousersite_takes_the_user_site_away() -> None:
    assert distributions(leaking())["torch"].version == "2.6.0"
    facts = supposing(leaking(), {"env:PYTHONNOUSERSITE": "1"}, MATRIX)
    assert distributions(facts)["torch"].version == "2.5.1"
    assert need(need(facts.python).user_site) is None


def test_unsetting_pythonpath_takes_its_folders_away() -> None:
    facts = supposing(leaking(), {"env:PYTHONPATH": "none"}, MATRIX)
    assert distributions(facts)["torch"].version == "2.5.1"
    assert need(facts.python).pythonpath == ()


def test_any_other_variable_is_set_as_it_is_written() -> None:
    words = parse(("env:CUDA_HOME=/usr/local/cuda-12.4",))
    assert need(supposing(healthy(), words, MATRIX).environ) == {"CUDA_HOME": "/usr/local/cuda-12.4"}


def test_what_a_reporter_told_elsewhere_is_known_and_what_nobody_told_is_not() -> None:
    empty = pasted.facts_of(b"it does not work", "x", MATRIX)
    judged, _ = examine(empty, MATRIX, Wishes(suppose={"python": "3.12", "torch": "2.7.0"}), 0.0)
    assert need(judged.python).version == "3.12"
    assert isinstance(need(judged.python).site_dirs, Unknown)
    assert list(distributions(judged)) == ["torch"]
    only_driver, _ = examine(empty, MATRIX, Wishes(suppose={"driver": "550.54.15"}), 0.0)
    assert isinstance(only_driver.python, Unknown)
    assert isinstance(only_driver.packages.distributions, Unknown)


def test_of_an_environment_that_could_not_be_read_nothing_is_made_up() -> None:
    unread = edit(healthy(), python=Unknown("it does not start"), packages__distributions=Unknown("unreadable"))
    judged, _ = examine(unread, MATRIX, Wishes(suppose={"python": "3.12", "torch": "2.7.0"}), 0.0)
    assert isinstance(judged.python, Unknown)
    assert isinstance(judged.packages.distributions, Unknown)
