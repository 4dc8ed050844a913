"""How weights get into a running vLLM. Four ways, tried in this order; the first that works is kept.

1. ``reload_weights(weights_iterator=...)`` of the model runner (read in 0.20.0, 0.27.0, 0.32.0): made for this, in place,
   packs for the CPU again what was packed.
2. ``load_weights`` of the model itself (read in 0.8.5, 0.11.0): what the loader calls at the start. On a CPU 0.11 has by then
   packed the linear layers and thrown their weights away (``dispatch_cpu_unquantized_gemm``): they are made anew first, by the
   call their constructor makes, and packed again afterwards.
3. ``reload_weights(weights_path=...)``: the weights as a folder on disk.
4. ``reload_weights()`` (0.11.0): reads the folder that the engine was started from, if that is one of ours.

A way that raises may have left weights half loaded; the next one writes all of them. Whether what arrived is right is not
believed here: after every push the smoke compares the log-probabilities of the engine with those of the trainer.
"""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Tuple

from .. import folder  # noqa: TID252 - under the target this room has another name

if TYPE_CHECKING:
    from . import Weights

Way = Tuple[str, Callable[["Weights"], None]]


class Pusher:
    """Pushes weights into one engine, by the first way that works."""

    def __init__(self, engine: Any, place: str, scratch: str, *, owned: bool) -> None:  # noqa: ANN401 - vllm.LLM
        """``place`` is the folder the engine was started from; ``owned`` says that it is ours to write to, as ``scratch`` is."""
        self.engine = engine
        self.place, self.scratch, self.owned = place, scratch, owned
        self.ways: Optional[List[Way]] = None
        self.refused: List[str] = []
        self.by = ""
        """The way that worked last."""

    def push(self, weights: Weights) -> None:
        """Give all weights.

        Raises:
            RuntimeError: no way worked; names each and why.
        """
        if self.ways is None:
            self.ways = self.possible()
        while self.ways:
            name, way = self.ways[0]
            try:
                way(weights)
            except Exception as error:  # noqa: BLE001 - what a release does with this is its own affair; the next way is tried
                self.refused.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
                del self.ways[0]
            else:
                self.by = name
                return
        raise RuntimeError(
            "vLLM took the weights in none of the known ways: "
            + "; ".join(self.refused)
            + ". Another release of vLLM is needed; 0.8.5, 0.11, 0.20, 0.27 and 0.32 are known to take them"
        )

    def possible(self) -> List[Way]:
        """The ways that this release has, best first; why one is not there goes to ``refused``."""
        names, loads = in_worker(self.engine, abilities)
        ways: List[Way] = []
        if takes(names, "weights_iterator"):
            ways.append(("reload_weights(weights_iterator)", self.by_iterator))
        else:
            self.refused.append(
                "reload_weights(weights_iterator): " + ("no such method" if names is None else f"it takes {names}")
            )
        if loads:
            ways.append(("load_weights", self.by_model))
        else:
            self.refused.append("load_weights: the model has no such method")
        if takes(names, "weights_path"):
            ways.append(("reload_weights(weights_path)", self.by_path))
        elif names == []:
            if self.owned:
                ways.append(("reload_weights()", self.by_folder))
            else:
                self.refused.append("reload_weights(): would read the folder of the user's model")
        return ways

    def by_iterator(self, weights: Weights) -> None:
        """Way 1."""
        self.engine.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(plain(weights))})
        in_worker(self.engine, pack_again)

    def by_model(self, weights: Weights) -> None:
        """Way 2."""
        in_worker(self.engine, load, plain(weights))

    def by_path(self, weights: Weights) -> None:
        """Way 3."""
        self.engine.collective_rpc("reload_weights", kwargs={"weights_path": self.written(weights)})
        in_worker(self.engine, pack_again)

    def by_folder(self, weights: Weights) -> None:
        """Way 4."""
        folder.write_weights(self.place, weights)
        self.engine.collective_rpc("reload_weights")
        in_worker(self.engine, pack_again)

    def written(self, weights: Weights) -> str:
        """A folder with these weights; the user's own is never written to."""
        place = self.place if self.owned else os.path.join(self.scratch, "pushed")
        os.makedirs(place, exist_ok=True)
        folder.write_weights(place, weights)
        return place

    def close(self) -> None:
        """Let the engine go."""
        self.engine = None
        self.ways = []


def in_worker(engine: Any, ask: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401 - vllm.LLM; what is asked for
    """``ask(worker, *args)`` where the one worker is: in this process, or beside it (0.20.0 on a CPU, whatever it is told).

    Callables are taken since 0.8.5. ``ask`` must be a function of a module, and what it takes and gives must survive pickling.
    """
    return engine.collective_rpc(ask, args=args)[0]


def abilities(worker: Any) -> Tuple[Optional[List[str]], bool]:  # noqa: ANN401 - a worker of vLLM
    """Parameters of the runner's ``reload_weights`` (None without one), and whether the model has ``load_weights``."""
    return parameters_of(getattr(worker.model_runner, "reload_weights", None)), hasattr(model_of(worker), "load_weights")


def model_of(worker: Any) -> Any:  # noqa: ANN401 - a worker; an nn.Module
    """The model as vLLM built it."""
    runner = worker.model_runner
    return runner.get_model() if hasattr(runner, "get_model") else runner.model


def load(worker: Any, weights: Weights) -> None:  # noqa: ANN401 - a worker of vLLM
    """Call the model's own ``load_weights``; linear layers packed for a CPU are unpacked before and packed again after."""
    import torch

    model = model_of(worker)
    packed = [layer for layer in model.modules() if hasattr(layer, "cpu_linear")]
    with torch.no_grad():
        for layer in packed:
            if layer.weight.numel() == 0:
                unpack(layer)
        model.load_weights(iter(weights))
        for layer in packed:
            layer.quant_method.process_weights_after_loading(layer)


def pack_again(worker: Any) -> None:  # noqa: ANN401 - a worker of vLLM
    """Pack what keeps its weight beside a packed copy, on a CPU: an output layer that is tied to the embedding.

    0.32 packs again only the layers that the checkpoint names. A tied output layer is none of them, and goes on with the packed
    copy of its first weights: after a push the engine's log-probabilities were off by 4.8 (Qwen2, tied).
    """
    for layer in model_of(worker).modules():
        if hasattr(layer, "cpu_linear") and layer.weight.numel():
            layer.quant_method.process_weights_after_loading(layer)


def unpack(layer: Any) -> None:  # noqa: ANN401 - a LinearBase of vLLM
    """Make a linear layer's weight anew, empty, by the call that its constructor makes."""
    loader = layer.weight_loader
    if hasattr(layer, "weight_loader_v2"):
        from vllm.model_executor.layers.linear import WEIGHT_LOADER_V2_SUPPORTED

        if type(layer.quant_method).__name__ in WEIGHT_LOADER_V2_SUPPORTED:
            loader = layer.weight_loader_v2
    partitions = getattr(layer, "output_partition_sizes", None) or [layer.output_size]
    width = getattr(layer, "input_size_per_partition", layer.input_size)
    layer.quant_method.create_weights(
        layer, width, partitions, layer.input_size, layer.output_size, layer.params_dtype, weight_loader=loader
    )


def plain(weights: Weights) -> Weights:
    """Tensors without a graph; vLLM copies them."""
    return [(name, tensor.detach()) for name, tensor in weights]


def parameters_of(method: Any) -> Optional[List[str]]:  # noqa: ANN401 - a method or None
    """Names of its parameters; None where there is no such method."""
    return None if method is None else list(inspect.signature(method).parameters)


def takes(names: Optional[List[str]], wanted: str) -> bool:
    """Whether a method with these parameters can be given one of that name; ``kwargs`` hands it on (0.27.0's second runner)."""
    return names is not None and (wanted in names or "kwargs" in names)
