"""A release that lacks a name is newer or older than what asks for it: by the names of all releases that were read."""

from __future__ import annotations

import pytest

from envdoctor.sources.pasted.sides import Sides
from tests.factory import MATRIX


@pytest.mark.parametrize(
    ("module", "name", "version", "side"),
    [
        # gone: in 4.57 for good, in 4.48.0 and 4.48.1 for a while, from 4.25 to some 4.3x
        ("transformers", "AutoModelForVision2Seq", None, "new"),
        ("transformers", "AutoModelForVision2Seq", "5.1.0", "new"),
        ("transformers.pytorch_utils", "is_torch_greater_or_equal_than_1_13", "4.48.1", "new"),
        ("transformers.pytorch_utils", "is_torch_greater_or_equal_than_1_13", None, "new"),
        ("transformers.utils", "torch_required", "4.26.0", "new"),
        ("transformers.models.gemma2.modeling_gemma2", "Gemma2FlashAttention2", None, "new"),
        # came later
        ("transformers", "Qwen2_5_VLForConditionalGeneration", None, "old"),
        ("transformers", "Qwen2_5_VLForConditionalGeneration", "4.46.0", "old"),
        ("transformers.models.gemma2.modeling_gemma2", "Gemma2FlashAttention2", "4.41.0", "old"),
        ("trl", "GRPOTrainer", "0.12.0", "old"),
        ("trl", "GRPOTrainer", "0.9.6", "old"),
        ("trl", "AutoModelForCausalLMWithValueHead", "1.0.0", "new"),
        # modules
        ("transformers.generation_utils", "", None, "new"),
        ("transformers.models.qwen3", "", "4.48.0", "old"),
        # what the tables contradict, or do not know
        ("transformers", "Qwen2_5_VLForConditionalGeneration", "4.57.0", None),
        ("transformers", "AutoModel", None, None),
        ("transformers", "NoSuchThingEver", None, None),
        ("numpy", "float_", "2.0.0", None),
    ],
)
def test_on_which_side_a_release_stands(module: str, name: str, version: str | None, side: str | None) -> None:
    package = module.partition(".")[0]
    found = Sides(MATRIX, {} if version is None else {package: version}).of(module, name)
    assert (found and found.side) == side
    assert found is None or found.cause == f"{package}-too-{side}"


def test_without_data_nothing_is_known() -> None:
    assert Sides().of("transformers", "AutoModelForVision2Seq") is None


@pytest.mark.parametrize(
    ("owner", "name", "versions", "found"),
    [
        # gone, or moved to a configuration
        ("PPOTrainer", "generate", {}, ("trl", "new")),
        ("PPOTrainer", "generate", {"trl": "0.20.0"}, ("trl", "new")),
        ("SFTTrainer()", "dataset_text_field", {"trl": "0.15.0"}, ("trl", "new")),
        ("DynamicCache", "get_max_length", {}, ("transformers", "new")),
        ("LlamaAttention", "num_heads", {}, ("transformers", "new")),
        # came later
        ("GRPOConfig()", "vllm_mode", {}, ("trl", "old")),
        ("GRPOConfig()", "vllm_mode", {"trl": "0.15.0"}, ("trl", "old")),
        ("TrainingArguments()", "eval_strategy", {"transformers": "4.36.0"}, ("transformers", "old")),
        # of a class of transformers that one of TRL's inherits from
        ("GRPOConfig()", "evaluation_strategy", {}, ("transformers", "new")),
        ("SFTTrainer", "tokenizer", {"transformers": "5.1.0"}, ("transformers", "new")),
        # it has it, no release has it, no such class
        ("GRPOConfig()", "vllm_mode", {"trl": "0.20.0"}, None),
        ("GRPOConfig()", "no_such_argument", {}, None),
        ("NobodysTrainer", "generate", {}, None),
    ],
)
def test_on_which_side_a_release_stands_whose_class_lacks_a_member(
    owner: str, name: str, versions: dict[str, str], found: tuple[str, str] | None
) -> None:
    standing = Sides(MATRIX, versions).of_member(owner, name)
    assert (standing and (standing.package, standing.side)) == found


def test_what_a_package_hands_to_a_method_that_does_not_take_it() -> None:
    sides = Sides(MATRIX)
    handed = sides.of_override("Trainer.compute_loss()", "num_items_in_batch")
    assert handed is not None
    assert handed.values == {"of": "transformers", "fits": "4.45.2", "fits_not": "4.46.0"}
    assert sides.of_override("Trainer.predict()", "test_dataset") is None, "every release hands it over"
    older = Sides(MATRIX, {"transformers": "4.40.0"})
    assert older.of_override("Trainer.compute_loss()", "num_items_in_batch") is None, "that release does not"


def test_a_class_is_known_by_itself_and_a_function_too() -> None:
    sides = Sides(MATRIX)
    assert sides.knows("GRPOTrainer")
    assert sides.knows("Trainer.log()")
    assert sides.knows("get_scheduler()")
    assert not sides.knows("MyTrainer")
    assert not Sides().knows("GRPOTrainer")


@pytest.mark.parametrize(
    ("owner", "name", "versions", "fits", "fits_not"),
    [
        ("PPOTrainer", "generate", {}, "0.11.4", "0.12.0"),
        ("PPOTrainer", "generate", {"trl": "0.20.0"}, "0.11.4", "0.12.0"),
        ("GRPOConfig()", "vllm_mode", {"trl": "0.15.0"}, "0.18.0", "0.17.0"),
        ("GRPOConfig()", "vllm_mode", {}, "0.18.0", "0.17.0"),
    ],
)
def test_between_which_releases_that_changed(owner: str, name: str, versions: dict[str, str], fits: str, fits_not: str) -> None:
    standing = Sides(MATRIX, versions).of_member(owner, name)
    assert standing is not None
    assert (str(standing.fits), str(standing.fits_not)) == (fits, fits_not)


def test_what_was_away_for_a_while_fits_the_release_before() -> None:
    standing = Sides(MATRIX).of("transformers.pytorch_utils", "is_torch_greater_or_equal_than_1_13")
    assert standing is not None
    assert standing.values == {"of": "transformers", "fits": "4.47.1", "fits_not": "4.48.0"}
