"""Of which age a package is whose object has no attribute, or that is given an argument it does not take: judges. Pure.

Each takes what the judges of :mod:`envdoctor.sources.pasted.causes` take. What the classes of TRL and transformers had and took in
each release is a table; a program's own class is judged by the one that it stands for: ``MyTrainer`` is a ``Trainer``.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.causes import HARMLESS
from envdoctor.sources.pasted.packages import package_of_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envdoctor.sources.pasted.sides import Standing
    from envdoctor.sources.pasted.surroundings import About, Around

MADE = "__init__"
_CALL = re.compile(r"(?<![\w.])(?:[a-z_]\w{0,60}\.){0,4}(?P<callee>[A-Z]\w{2,80})(?P<loaded>\.from_pretrained)?\(")
_MODEL_MADE = re.compile(r"\bcls\(config, ")
"""The line of transformers in which from_pretrained makes the model of what it was given and did not know itself."""
NEAR, CODE = 4, 40
"""Lines of a traceback above, in which the call stands that failed; lines below a sentence, in which the program may stand."""
OF_TRL = re.compile(
    r"(?P<kind>GRPO|RLOO|OnlineDPO|SFT|DPO|PPO|KTO|ORPO|CPO|GKD|PRM|XPO|BCO|Reward)\w{0,40}?(?P<end>Trainer|Config)$"
)
"""A program's own class that inherits from one of TRL's, by its name: "GRPOEnvTrainer"."""
STANDS_FOR = (
    ("Trainer", ("Trainer",)),
    ("Arguments", ("TrainingArguments",)),
    ("ImageProcessor", ("BaseImageProcessor",)),
    ("Processor", ("ProcessorMixin",)),
    ("TokenizerFast", ("PreTrainedTokenizerFast",)),
    ("Tokenizer", ("PreTrainedTokenizer",)),
    ("Config", ("PretrainedConfig",)),
    ("Cache", ("DynamicCache",)),
    ("ForCausalLM", ("PreTrainedModel",)),
    ("ForConditionalGeneration", ("PreTrainedModel",)),
    ("ForSequenceClassification", ("PreTrainedModel",)),
    ("Model", ("PreTrainedModel",)),
)
"""How the name of a program's own class ends -> the class of transformers that it inherits from, under all its names."""
DATACLASSES = (("Arguments", "TrainingArguments"), ("Collator", "DPODataCollatorWithPadding"))
"""What stands in the name of a program's own dataclass -> the one that it inherits from. Of what it is made of, Python speaks
under its own name; of any other class that takes no arguments of its own, it names the one that does."""
ALONE = frozenset(("cache_position", "logits_to_keep", "num_logits_to_keep", "num_items_in_batch"))
HANDED_TO_MODELS = ALONE | {"position_embeddings", "past_key_values"}
"""Arguments that a later transformers hands to what is inside a model, which code of a program's own must take; those first that
no other library has."""
OF_VOCABULARY = frozenset(("tokenizer", "vocab", "encoder", "decoder", "token2idx", "word2idx", "special_tokens"))
"""What a program's own tokenizer keeps its vocabulary in, under the names that published models' tokenizers use."""
OF_SENTENCEPIECE = frozenset(("sp_model", "sp_tokenizer", "mergeable_ranks"))
"""The same, under names that no other library's tokenizers use."""
ASKED_EARLY = Version("4.34")
"""transformers from which on making a PreTrainedTokenizer asks for its vocabulary (tokenization_utils.py of 4.33.3 and 4.34.0)."""
_INSIDE = re.compile(r"(?:Attention\w{0,12}|Layer|Block|MLP|Embedding)$")
"""Parts of a model, which nothing but the model calls: one that does not take what it is given is a program's own, whatever its name."""
_OF_MODEL = re.compile(r"forward|^prepare_inputs_for_\w+$")
LOADER = "PreTrainedModel.from_pretrained()"


def attribute(values: Mapping[str, str], around: Around, about: About) -> Standing | str | None:
    """An object has no such attribute: of a class of TRL or transformers, or of one that inherits from these."""
    owner, wanted = values.get("class", ""), values.get("name", "")
    if owner == "TrainingArguments" and about.sides.of_member(owner, wanted) is None and about.sides.of_configs(wanted):
        return "trl-too-new"  # its trainers ask for a configuration of their own since 0.12
    known = about.sides.knows(owner)
    if (
        not known
        and owner.endswith("Tokenizer")
        and (wanted in OF_SENTENCEPIECE or (wanted in OF_VOCABULARY and about.pretrained))
    ):
        # since 4.34 the class that they inherit from asks for the vocabulary before the program's own has read it
        return HARMLESS if about.sides.before("transformers", ASKED_EARLY) else "transformers-too-new"
    standing = about.sides.of_member(owner, wanted)
    if standing is not None:
        return standing
    # where the class of that name has it, the one that has not is a program's own, of the same name
    own = about.sides.has(owner, wanted) if known else OF_TRL.search(owner) is not None or _of_transformers(around, about)
    bases = _stands_for(owner) or (("PreTrainedModel",) if wanted.startswith("_") else ())
    return _first(about.sides.of_member(one, wanted) for one in (bases if own else ())) or HARMLESS


def argument(values: Mapping[str, str], around: Around, about: About) -> Standing | str | None:
    """A function does not take an argument: TRL's or transformers' own, or one of a program's that these call."""
    sides, wanted = about.sides, values.get("keyword", "")
    owner = _owner(values.get("callee", ""), around)
    class_name, dot, method = owner.removesuffix("()").partition(".")
    of_model = _OF_MODEL.search(method or class_name) is not None
    if of_model and wanted in HANDED_TO_MODELS and (_INSIDE.search(class_name) or not sides.knows(owner)):
        named = wanted in ALONE or sides.knows(owner) or _of_transformers(around, about)
        return "transformers-too-new" if named else HARMLESS
    # what transformers calls in a class that inherits from it, a trainer of TRL's too
    handed = (sides.of_override(one, wanted) for one in _overridden(owner, about))
    taken = (sides.of_member(one, wanted) for one in (owner, *_made_of(class_name, dot)))
    loader = LOADER if not dot and _is_model(class_name) else owner if owner == LOADER else ""
    loaded = (sides.of_member(one, wanted, by_name=True) for one in (loader,))
    return _first(chain(handed, taken, loaded)) or HARMLESS


def argument_said(values: Mapping[str, str], around: Around, about: About) -> Standing | str | None:
    """Somebody says that an argument is not taken; by what, the program says that stands around it."""
    wanted = values.get("keyword", "")
    lines = (*around.before(NEAR), *around.after(CODE))
    called = dict.fromkeys(found["callee"] for line in lines for found in _CALL.finditer(line[:400]) if not found["loaded"])
    return _first(about.sides.of_member(f"{one}()", wanted) for one in called) or HARMLESS


def missing(values: Mapping[str, str], around: Around, about: About) -> Standing | str | None:
    """A function is not given an argument that it needs: where a later release asks for it, the program is of an earlier one."""
    owner, wanted = _owner(values.get("callee", ""), around), values.get("missing", "")
    if owner.endswith(".forward()"):
        return HARMLESS  # a model that is called with nothing is a mistake of any age
    return (about.sides.of_override(owner, wanted) if about.sides.knows(owner) else None) or HARMLESS


def positional(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A trainer's method is given more than it takes: what it is and what calls it are of two ages."""
    if not _of_transformers(around, about):
        return HARMLESS
    # the class that all others inherit from is transformers' own: there the program is the newer one
    return "transformers-too-old" if values.get("class") == "Trainer" else "transformers-too-new"


def _first(found: Iterable[Standing | None]) -> Standing | None:
    return next((one for one in found if one is not None), None)


def _owner(callee: str, around: Around) -> str:
    """What failed, as the tables call it: "SFTTrainer.__init__" is "SFTTrainer()". An older Python says "__init__" alone."""
    if callee != MADE:
        parts = [part for part in callee.split(".") if part != "<locals>"]
        return ".".join(parts[-2:]).removesuffix(f".{MADE}") + "()"
    for line in around.before(NEAR):
        if "File " in line:
            continue
        if _MODEL_MADE.search(line[:400]):
            return LOADER
        match = _CALL.search(line[:400])
        if match is not None:
            return f"{match['callee']}()"
    return "()"


def _stands_for(class_name: str) -> tuple[str, ...]:
    """The classes that a program's own may inherit from, the nearest first."""
    of_trl = OF_TRL.search(class_name)
    own = (f"{of_trl['kind']}{of_trl['end']}",) if of_trl is not None else ()
    return (*own, *next((bases for end, bases in STANDS_FOR if class_name.endswith(end)), ()))


def _overridden(owner: str, about: About) -> Iterator[str]:
    """The methods that a program's own may stand for."""
    class_name, dot, method = owner.removesuffix("()").partition(".")
    if dot:
        yield from (f"{base}.{method}()" for base in _stands_for(class_name) if base != class_name)
    elif not about.sides.knows(owner):
        yield f"Trainer.{class_name}()"  # an older Python does not say whose method it is


def _made_of(class_name: str, dot: str) -> Iterator[str]:
    """What a program's own dataclass takes."""
    if not dot:
        yield from (f"{base}()" for word, base in DATACLASSES if word in class_name)


def _is_model(class_name: str) -> bool:
    return "PreTrainedModel" in _stands_for(class_name)


def _of_transformers(around: Around, about: About) -> bool:
    """Whether transformers is what the text is about: a frame of it, or of code that it loads with a model, or its name."""
    frames = (*around.frames, *around.frames_below)
    return any(package_of_path(path) == "transformers" or "transformers_modules" in path for path in frames) or about.transformers
