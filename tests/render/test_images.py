"""The page of a build: what it is, how large, how to start it; what stopped it."""

from __future__ import annotations

import json

import msgspec

from envdoctor.images.building import Stage
from envdoctor.render import Page
from envdoctor.render.images import document, render
from tests.images.made import DIGEST, DRIFTED, built, outside


def test_a_build_that_went_well_says_its_name_its_layers_and_how_to_start_it() -> None:
    page = render(built(), Page())
    assert page.splitlines()[0] == "envdoctor/h100:2026-11-25"
    assert "2 layers, 2,030 MB to pull" in page
    assert "docker run --rm -it --gpus all --shm-size 8g envdoctor/h100:2026-11-25" in page
    assert DIGEST in page


def test_the_images_of_others_stand_beside_it() -> None:
    one = built()
    one.compared = ("vllm/vllm-openai:v0.26.0: 10.3 GB to pull, 1.9 times ours",)
    assert "beside it: vllm/vllm-openai:v0.26.0: 10.3 GB to pull" in render(one, Page())


def test_a_pushed_image_is_pulled_by_its_digest() -> None:
    one = built()
    one.reference, one.pushed = "127.0.0.1:5000/train/h100:7", DIGEST
    assert f"docker pull 127.0.0.1:5000/train/h100@{DIGEST}" in render(one, Page())


def test_drift_is_shown_package_by_package_and_the_image_has_no_name() -> None:
    one = built()
    one.outside = outside(DRIFTED)
    one.stages[3] = Stage("look from outside", "stopped", one.outside.says, 2.0)
    page = render(one, Page())
    assert "drift: numpy: locked 2.3.5, in the image 2.4.0" in page
    assert "h100: not built" in page
    assert "docker run" not in page


def test_the_log_of_the_check_inside_the_build_is_the_answer() -> None:
    one = built()
    one.stages[2] = Stage("build", "stopped", "the check inside the build found what would break", 2.0)
    one.log = ("ERROR ED310 a module of numpy cannot be loaded",)
    assert render(one, Page()).startswith("ERROR ED310")


def test_differences_between_two_builds_are_named_and_counted() -> None:
    one = built()
    one.differences = tuple(f"layer 3: /var/log/file{number}: content" for number in range(20))
    one.stages.append(Stage("compare a second build", "stopped", "it differs", 2.0))
    page = render(one, Page())
    assert "differs: layer 3: /var/log/file0: content" in page
    assert "and 8 more" in page


def test_hostile_texts_of_an_image_do_not_reach_the_terminal() -> None:
    one = built()
    assert one.archive is not None
    layer = msgspec.structs.replace(one.archive.layers[0], created_by="RUN \x1b[2J")
    one.archive = msgspec.structs.replace(one.archive, layers=(layer,))
    assert "\x1b" not in render(one, Page())


def test_the_document_for_machines_has_the_digest_and_every_stage() -> None:
    said = json.loads(document(built()))
    assert (said["ok"], said["digest"], len(said["stages"])) == (True, DIGEST, 6)
