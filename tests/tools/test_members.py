"""What the classes and functions of a file have and take, read without running it."""

from __future__ import annotations

from textwrap import dedent

from tools.members import members


def of(text: str, *, of_models: bool = False) -> dict[str, set[str]]:
    return members(dedent(text).encode(), of_models=of_models)


def test_an_object_has_its_methods_its_fields_and_what_is_set_on_it() -> None:
    found = of("""
        class PPOTrainer(BaseTrainer, typing.Generic[T]):
            tag = "ppo"
            beta: float = 0.1
            def __init__(self, config):
                self.config = config
            @property
            def device(self):
                if self.cpu:
                    self.seen, other.lost = 1, 2
    """)
    assert found["PPOTrainer"] == {"tag", "beta", "__init__", "config", "device", "seen", "<BaseTrainer", "<Generic"}


def test_the_other_names_of_a_configuration_are_its_own() -> None:
    assert {"hidden_size", "attribute_map"} <= of('class C:\n    attribute_map = {"hidden_size": "n_embd", **more}')["C"]


def test_a_class_takes_what_its_init_takes_or_what_those_take_that_it_inherits_from() -> None:
    found = of("""
        class Trainer:
            @deprecate_kwarg("tokenizer", new_name="processing_class", version="5.0.0")
            def __init__(self, model, *, processing_class=None, **kwargs): ...
        class Mine(Trainer): ...
    """)
    assert found["Trainer()"] == {"model", "processing_class", "tokenizer", "**"}
    assert found["Mine()"] == {"..."}


def test_what_is_looked_for_in_a_table_of_arguments_is_taken_by_name() -> None:
    found = of("""
        class Model:
            def from_pretrained(cls, path, **kwargs):
                dtype = kwargs.pop("dtype", None)
                old = model_kwargs.get("torch_dtype")
                other = settings.pop("not_this")
    """)
    assert found["Model.from_pretrained()"] == {"path", "**", "dtype", "torch_dtype"}


def test_a_dataclass_takes_its_fields() -> None:
    assert of("@dataclass\nclass GRPOConfig(TrainingArguments):\n    beta: float = 0.0")["GRPOConfig()"] == {
        "beta",
        "...",
    }
    assert of("class Plain:\n    beta: float = 0.0")["Plain()"] == {"..."}


def test_methods_and_functions_take_arguments() -> None:
    found = of("""
        def get_scheduler(name, optimizer=None): ...
        def _hidden(name): ...
        class Trainer:
            def log(self, logs, start_time=None): ...
            def _get_train_sampler(self, train_dataset=None): ...
            def __len__(self): ...
    """)
    assert found["get_scheduler()"] == {"name", "optimizer"}
    assert found["Trainer.log()"] == {"logs", "start_time"}
    assert found["Trainer._get_train_sampler()"] == {"train_dataset"}, "what trainers replace"
    assert {"_hidden()", "Trainer.__len__()"}.isdisjoint(found)


def test_of_models_only_what_people_reach_for_is_read() -> None:
    found = of(
        """
        def eager_attention_forward(module): ...
        class LlamaMLP: ...
        class LlamaAttention(nn.Module):
            def __init__(self, config): ...
            def forward(self, hidden_states): ...
            def reset(self, hard): ...
        class LlamaConfig(PretrainedConfig):
            def __init__(self, vocab_size=1): ...
        """,
        of_models=True,
    )
    assert set(found) == {
        "LlamaAttention",
        "LlamaAttention()",
        "LlamaAttention.forward()",
        "LlamaConfig",
        "LlamaConfig()",
    }


def test_what_is_no_python_has_nothing() -> None:
    assert of("class Trainer(:") == {}
