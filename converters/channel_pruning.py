"""Channel pruning: whole filters go, with everything that depends on them; the model gets smaller and faster.

Channels that meet in an addition or a product go together (`edgevision.converters.channel_graph`), the least important
first (`channel_importance`), in multiples that suit the hardware (`channel_plan`), until a target is met. What is
left computes what the original computes with those channels masked; that is tried before anything is fine-tuned.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.converters.channel_graph import ChannelGraph
from edgevision.converters.channel_importance import IMPORTANCES, channel_importance
from edgevision.converters.channel_plan import SCOPES, Block, Chunk, blocks_of, enough, first_that_fit, removal_order
from edgevision.converters.channel_report import ChannelPruningReport, ChannelTarget, LayerChannels
from edgevision.converters.channel_surgery import identity_error, masked_model, smaller_model
from edgevision.converters.costs import model_costs
from edgevision.converters.distillation import Distillation
from edgevision.converters.fine_tuning import FineTuner, FineTuning, Progress, matching_layers
from edgevision.converters.keras_import import KERAS_TOOLS, SourceModel, check_weights, is_quantization_aware
from edgevision.errors import ConfigError, ConversionError, check_choice
from edgevision.manifest import LineageStep
from edgevision.optional import require, versions

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset


def prune_channels(
    source: SourceModel,
    dataset: ImageDataset | None,
    *,
    target: ChannelTarget,
    importance: str = "l1",
    scope: str = "global",
    multiple: int = 8,
    steps: int = 1,
    layers: Iterable[str] | None = None,
    epochs: int = 2,
    batch_size: int = 32,
    learning_rate: float = 3e-4,
    seed: int = 0,
    augment: str = "flip",
    optimizer: str = "adam",
    weight_decay: float = 0.0,
    distillation: Distillation | None = None,
    progress: Progress | None = None,
) -> tuple[SourceModel, ChannelPruningReport]:
    """Take whole channels out of a functional or sequential model until a target is met, and fine-tune what is left.

    Args:
        source: The model; it is left as it is.
        dataset: Labelled images, for fine-tuning and for the importance ``taylor``; None where neither is wanted.
        target: How small the model is to become.
        importance: ``l1``, ``l2``, ``bn_scale`` or ``taylor``; see `edgevision.converters.channel_importance`.
        scope: ``global`` (where it costs the least for what it saves) or ``per_layer`` (the same share everywhere).
        multiple: Channels stay in multiples of this, 8 being what vector units and accelerators want.
        steps: In how many steps, each with its own estimate of importance and its own fine-tuning; the epochs are
            divided among them, the last one getting half.
        layers: Names or patterns of the layers that may lose filters; None for all. Layers that share channels lose
            the same, and only if all of them may.
        epochs: Passes over the images in all; 0 leaves the weights that stay as they are.
        batch_size: Images a step.
        learning_rate: Highest rate of the optimizer; it warms up, then falls to zero along a cosine.
        seed: The same seed gives the same weights, on the same machine and versions.
        augment: ``none``, ``flip`` or ``crop-flip``.
        optimizer: ``adam`` or ``sgd``; see `edgevision.converters.fine_tuning.FineTuning`.
        weight_decay: Share of each weight that a step at rate 1 takes away.
        distillation: Whose answers are learned from beside the labels; None for the labels alone.
        progress: Called after each epoch with the finished epochs and that epoch's record.

    Returns:
        The smaller model, with the layers and names it had, not compiled; and what was measured.

    Raises:
        ConfigError: A value makes no sense, a layer's name is unknown, or there is nothing to prune.
        DatasetError: Fewer images than a batch, or of other classes.
        ConversionError: The target cannot be met, fine-tuning diverged, or the model cannot be rebuilt.
        BackendUnavailableError: The extra ``train`` is not installed.
    """
    settings = FineTuning(epochs, batch_size, learning_rate, seed, augment, optimizer, weight_decay)
    names = [layers] if isinstance(layers, str) else None if layers is None else list(layers)
    _check(source, dataset, importance, scope, multiple, steps, epochs)
    tuner = None
    if dataset is not None and (epochs or importance == "taylor"):
        tuner = FineTuner(source, dataset, settings, distillation)
    run = _Run(source, target, importance, scope, multiple, names)
    if steps > 1:
        run.check_reach(tuner)
    history: list[dict[str, float]] = []
    for step, passes in enumerate(_divided(epochs, steps), 1):
        run.shrink(run.wanted_at(step / steps), tuner)
        if passes and tuner is not None:
            history += tuner.run(run.source.model, progress=_after(len(history), progress), epochs=passes)
            tuner.settle_statistics(run.source.model)
    report = run.report(tuple(history))
    parameters = {
        "method": "channels",
        "target": target.kind,
        "value": target.value,
        "importance": importance,
        "scope": scope,
        "multiple": multiple,
        "steps": steps,
        "layers": names,
        **settings.to_dict(),
        "distillation": distillation and distillation.to_dict(),
        "images": 0 if dataset is None else len(dataset),
        "macs": [report.before.macs, report.after.macs],
        "parameters": [report.before.parameters, report.after.parameters],
    }
    step_ = LineageStep("prune", parameters, versions("edgevision", *KERAS_TOOLS))
    model = run.source.model
    if history:
        model = require("tf_keras").Model(model.inputs, model.outputs, name=model.name)  # without optimizer state
    return source.then(step_, model=model), report


def _check(
    source: SourceModel,
    dataset: ImageDataset | None,
    importance: str,
    scope: str,
    multiple: int,
    steps: int,
    epochs: int,
) -> None:
    check_choice("importance", importance, IMPORTANCES)
    check_choice("scope of channel pruning", scope, SCOPES)
    for name, value in (("multiple", multiple), ("steps", steps)):
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name} of channel pruning", got=value, allowed="1 or more")
    if dataset is None and (epochs or importance == "taylor"):
        what, instead = ("fine-tuning", "ask for 0 epochs") if epochs else ("the importance taylor", "take another one")
        raise ConfigError(f"{what} needs labelled images", next_step=f"name them, or {instead}")
    if is_quantization_aware(source.model):
        raise ConfigError(f"{source.name} carries quantization already", next_step="prune the float model")
    check_weights(source)


def _after(done: int, progress: Progress | None) -> Progress | None:
    """Return a callback that counts on from the epochs of the steps before."""
    return progress and (lambda epoch, record: progress(done + epoch, record))


def _divided(epochs: int, steps: int) -> list[int]:
    """Return the epochs after each step: half of them after the last, the rest evenly.

    >>> _divided(10, 3), _divided(4, 1)
    ([2, 3, 5], [4])
    """
    last = epochs if steps == 1 else epochs - epochs // 2
    before = [(epochs - last) * step // max(1, steps - 1) for step in range(steps)]
    return [*(after - start for start, after in itertools.pairwise(before)), last]


class _Run:
    """A model on its way to the target.

    Attributes:
        source: The model as far as it has got.
    """

    def __init__(
        self,
        source: SourceModel,
        target: ChannelTarget,
        importance: str,
        scope: str,
        multiple: int,
        names: list[str] | None,
    ) -> None:
        self.source = source
        self._original = source
        self._target, self._importance, self._scope, self._multiple = target, importance, scope, multiple
        self._names = names
        self._before = model_costs(source.model)
        self._start = self._measured(source)
        self._kept: dict[str, tuple[int, Any]] = {}
        self._blocks: tuple[Block, ...] = ()
        self._skipped: list[tuple[str, str]] = []
        self._error = 0.0
        share = target.value < 1 and target.kind != "latency_ms"
        self.wanted = target.value * self._start if share else target.value

    def wanted_at(self, progress: float) -> float:
        """Return the target of a step: on a geometric line from the original to the last."""
        if self.wanted >= self._start:
            return self.wanted
        return float(self._start * (self.wanted / self._start) ** progress)

    def check_reach(self, tuner: FineTuner | None) -> None:
        """Raise ConversionError where even without all that can go the target is not met: before any training."""
        graph, blocks = self._look(tuner)
        self._gone(graph, blocks, self.wanted)

    def shrink(self, wanted: float, tuner: FineTuner | None) -> None:
        """Take out channels until ``wanted`` is met, and try the identity with the masked model."""
        model = self.source.model
        graph, blocks = self._look(tuner)
        gone = self._gone(graph, blocks, wanted)
        if not gone:
            return
        smaller = smaller_model(model, graph, gone)
        self._error = max(self._error, identity_error(smaller, masked_model(model, graph, gone)))
        self._note(graph, gone)
        self.source = replace(self.source, model=smaller)

    def _look(self, tuner: FineTuner | None) -> tuple[ChannelGraph, tuple[Block, ...]]:
        """Return the graph of the model as far as it has got, and what can be taken out of it."""
        model = self.source.model
        graph = ChannelGraph(model)
        scores = channel_importance(graph, self._importance, model, tuner)
        chosen = [layer for _, layer in matching_layers(model, self._names)[0]]
        blocks = blocks_of(graph, scores, chosen)
        if not self._blocks:
            self._blocks = blocks
            self._skipped = _skipped(graph, blocks, chosen, scores)
        if not blocks:
            raise ConfigError(
                f"{self.source.name} has no channels to prune among the layers chosen",
                got="; ".join(f"{name}: {reason}" for name, reason in self._skipped[:2]) or None,
                next_step="choose convolution or dense layers",
            )
        return graph, blocks

    def report(self, history: tuple[dict[str, float], ...]) -> ChannelPruningReport:
        """Return what was done."""
        layers = tuple(LayerChannels(name, before, tuple(kept.tolist())) for name, (before, kept) in self._kept.items())
        return ChannelPruningReport(
            target=self._target.kind,
            wanted=self.wanted,
            reached=self._measured(self.source),
            before=self._before,
            after=model_costs(self.source.model),
            layers=layers,
            groups=tuple(block.layers for block in self._blocks),
            identity_error=self._error,
            skipped=tuple(self._skipped),
            history=history,
        )

    def _measured(self, source: SourceModel) -> float:
        if self._target.measure is not None:
            return float(self._target.measure(source))
        return float(getattr(model_costs(source.model), self._target.kind))

    def _gone(self, graph: ChannelGraph, blocks: tuple[Block, ...], wanted: float) -> list[int]:
        """Return the roots of the channels that have to go, as few as meet the target.

        Raises:
            ConversionError: Even without all that can go it is not met.
        """
        if self._measured(self.source) <= wanted:
            return []
        what = "parameters" if self._target.kind in ("parameters", "bytes") else "macs"
        chunks = removal_order(graph, blocks, self._multiple, self._scope, what)
        try:
            if self._target.measure is None:
                chosen = enough(graph, chunks, what, wanted)
            else:
                chosen = first_that_fit(chunks, lambda some: self._without(graph, some), self._target.kind, wanted)
        except ConversionError as exc:
            if graph.skipped:
                exc.next_step = f"{exc.next_step}; what keeps channels whole here: {_listed(graph.skipped)}"
            raise
        return [root for chunk in chosen for root in chunk.roots]

    def _without(self, graph: ChannelGraph, chunks: Sequence[Chunk]) -> float:
        gone = [root for chunk in chunks for root in chunk.roots]
        return self._measured(replace(self.source, model=smaller_model(self.source.model, graph, gone)))

    def _note(self, graph: ChannelGraph, gone: list[int]) -> None:
        """Remember which channels of the original each layer still has."""
        for axis in graph.axes:
            if axis.role != "output" or len(axis.layer.weights[axis.weight].shape) == 1:
                continue
            name, stays = graph.names[id(axis.layer)], ~np.isin(graph.roots(axis.channels), gone)
            before, kept = self._kept.get(name, (len(stays), np.arange(len(stays))))
            if not stays.all():
                self._kept[name] = (before, kept[stays])


def _listed(skipped: Iterable[tuple[str, str]]) -> str:
    """Return the first layers and reasons, and how many more there are."""
    found = [f"{name} ({reason})" for name, reason in dict(skipped).items()]
    return "; ".join(found[:2]) + (f" and {len(found) - 2} more" if len(found) > 2 else "")


def _skipped(
    graph: ChannelGraph, blocks: tuple[Block, ...], chosen: Sequence[Any], scores: Mapping[int, float]
) -> list[tuple[str, str]]:
    """Name the layers that make channels and can lose none, and those that the graph does not know."""
    free = {name for block in blocks for name in block.layers}
    named = dict(graph.skipped)
    wanted = {id(layer) for layer in chosen}
    frozen = graph.frozen_roots()
    for axis in graph.axes:
        name = graph.names[id(axis.layer)]
        if axis.role == "output" and id(axis.layer) in wanted and name not in free and name not in named:
            named[name] = _reason(set(graph.roots(axis.channels).tolist()) - frozen, scores)
    return list(named.items())


def _reason(loose: set[int], scores: Mapping[int, float]) -> str:
    """Return why a layer keeps its channels, ``loose`` being the sets of them that need not stay."""
    if not loose:
        return "its channels are the model's output, or meet a layer that keeps them whole"
    if loose.isdisjoint(scores):
        return "no scale of a batch norm speaks for its channels; use l1, l2 or taylor"
    return "it shares channels with layers that were not chosen"
