"""Plugins that break one law each, by the law's name."""

from __future__ import annotations

import random
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import field_validator
from torch import nn

from automl_loss import (
    Candidate,
    Evaluator,
    Executor,
    Failure,
    HandcraftedLoss,
    Lane,
    ModelFactory,
    Outcome,
    PluginConfig,
    Primitive,
    PrimitiveSet,
    Problem,
    SearchStrategy,
    Split,
    Splits,
    Status,
    SymbolicLoss,
    Task,
    parse,
    standard_primitives,
)

BROKEN: dict[str, list[type[Any]]] = {}


def breaks(law: str) -> Any:
    """Enter a class under the law that it breaks."""

    def enter(cls: type[Any]) -> type[Any]:
        cls.__doc__ = cls.__doc__ or f"Breaks {law}."
        BROKEN.setdefault(law, []).append(cls)
        return cls

    return enter


class Sound(SearchStrategy):
    """Random powers of the residual; keeps every law."""

    plugin_api = 1

    def __init__(self, config: Any, problem: Problem, primitives: PrimitiveSet, rng: Any) -> None:
        super().__init__(config, problem, primitives, rng)
        self.asked = 0

    def ask(self) -> list[Candidate]:
        if self.asked >= 12:
            return []
        found = [self.candidate(self.asked + 1 + k) for k in range(4)]
        self.asked += 4
        return found

    def candidate(self, number: int) -> Candidate:
        return Candidate(number, self.loss(self.rng.normal()), 0)

    def loss(self, weight: float) -> SymbolicLoss:
        return SymbolicLoss(parse("abs(sub(y, f))"), (1.0, 1.0, 1.0, weight), weighted=False)

    def tell(self, outcomes: Any) -> None:
        return


@breaks("class-is-complete")
class Old(Sound):
    plugin_api = 0


@breaks("config-has-defaults")
class BadDefault(Sound):
    class Config(PluginConfig):
        size: int = 0

        @field_validator("size")
        @classmethod
        def positive(cls, value: int) -> int:
            if value < 1:
                raise ValueError("size must be positive")
            return value


@breaks("config-survives-json")
class NoJson(Sound):
    class Config(PluginConfig):
        names: Any = frozenset({"a"})


@breaks("importable-in-a-worker")
class Hidden(Sound):
    pass


Hidden.__qualname__ = "Nowhere.Hidden"


@breaks("check-speaks")
class Mute(Sound):
    @classmethod
    def check(cls, config: Any, problem: Problem) -> Any:
        return None


@breaks("asks-candidates")
class Silent(Sound):
    def ask(self) -> list[Candidate]:
        return []


@breaks("ids-go-on")
class FromZero(Sound):
    def candidate(self, number: int) -> Candidate:
        return Candidate(number - 1, self.loss(self.rng.normal()), 0)


@breaks("same-seed-same-asks")
class OwnRandom(Sound):
    def loss(self, weight: float) -> SymbolicLoss:
        return super().loss(float(np.random.default_rng().normal()))


@breaks("same-seed-same-asks")
class ByIdentity(Sound):
    """Takes the loss that it is told for the one that it asked."""

    told: Any = None

    def tell(self, outcomes: Any) -> None:
        self.told = outcomes[0].loss

    def loss(self, weight: float) -> SymbolicLoss:
        known = "" if self.told is None else str(id(self.told))
        return super().loss(weight + float(known[-3:] or 0))


@breaks("no-duplicates")
class Twice(Sound):
    def loss(self, weight: float) -> SymbolicLoss:
        return super().loss(1.5)


@breaks("takes-every-status")
class Optimist(Sound):
    def tell(self, outcomes: Any) -> None:
        min(outcome.fitness for outcome in outcomes if outcome.status is not Status.REJECTED)
        sum(outcome.fitness for outcome in outcomes)


@breaks("done-stays-done")
class Again(Sound):
    def ask(self) -> list[Candidate]:
        found = super().ask()
        if not found:
            self.asked = 0
        return found


@breaks("global-randomness-untouched")
class Global(Sound):
    def loss(self, weight: float) -> SymbolicLoss:
        random.random()
        return super().loss(weight)


@breaks("instances-share-nothing")
class Shared(Sound):
    memory: ClassVar[list[int]] = []

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        Shared.memory.clear()

    def tell(self, outcomes: Any) -> None:
        Shared.memory.append(len(outcomes))

    def loss(self, weight: float) -> SymbolicLoss:
        return super().loss(weight + len(Shared.memory))


class Forgetful(HandcraftedLoss):
    """Loses its parameters in JSON."""

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "parameters": {}}


@breaks("losses-are-plain")
class LosesParameters(Sound):
    @classmethod
    def check(cls, config: Any, problem: Problem) -> list[str]:
        return [] if problem.kind == "multiclass" else ["multiclass alone"]

    def candidate(self, number: int) -> Candidate:
        return Candidate(number, Forgetful("gce", "multiclass", {"q": float(self.rng.uniform(0.1, 0.9))}), 0)


class Words(PrimitiveSet):
    """One word beside the standard ones."""

    plugin_api = 1
    Config = PluginConfig
    word = Primitive("half", 1, lambda x: x / 2, "{0} / 2")

    @property
    def functions(self) -> Any:
        return (*standard_primitives("add", "mul"), self.word)

    @property
    def terminals(self) -> Any:
        return standard_primitives("y", "f", "1")


@breaks("names-are-unique")
class SameName(Words):
    word = Primitive("add", 1, lambda x: x / 2, "{0} / 2")


@breaks("says-target-and-prediction")
class NoTarget(Words):
    @property
    def terminals(self) -> Any:
        return standard_primitives("f", "1")


@breaks("keeps-shape-and-dtype")
class Double(Words):
    word = Primitive("double", 1, lambda x: x.double(), "{0}.double()")


@breaks("closed")
class Logarithm(Words):
    word = Primitive("ln", 1, torch.log, "torch.log({0})")


@breaks("gradient-is-finite")
class Root(Words):
    word = Primitive("root", 1, lambda x: x.abs().sqrt(), "{0}.abs().sqrt()")


class _WrongSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 3

    @staticmethod
    def backward(ctx: Any, slope: Any) -> Any:
        return slope


@breaks("gradient-is-right")
class WrongSlope(Words):
    word = Primitive("thrice", 1, lambda x: _WrongSlope.apply(x), "{0} * 3")


@breaks("source-says-the-same")
class OtherSource(Words):
    word = Primitive("half", 1, lambda x: x / 2, "{0} / 3")


@breaks("kernel-says-the-same")
class OtherOpcode(Words):
    word = Primitive("half", 1, lambda x: x / 2, "{0} / 2", opcode=standard_primitives("tanh")[0].opcode)


@breaks("commutative-words-commute")
class Minus(Words):
    word = Primitive("minus", 2, lambda a, b: a - b, "{0} - {1}", commutative=True)


@breaks("words-can-be-read")
class Unreadable(Words):
    word = Primitive("a half", 1, lambda x: x / 2, "{0} / 2")


@breaks("global-randomness-untouched")
class Dice(Words):
    word = Primitive("dice", 1, lambda x: x + 0 * torch.rand(1).item(), "{0}")


class Rows(Task):
    """Two classes on a line; keeps every law."""

    plugin_api = 1

    def problem(self) -> Problem:
        return Problem.classification((2,), 2)

    def all(self, seed: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed)
        y = np.arange(90) % 2
        return rng.normal(size=(90, 2)).astype(np.float32) * 3 + y[:, None].astype(np.float32), y

    def cut(self, seed: int) -> list[Split]:
        x, y = self.all(seed)
        return [Split(x[a:b], y[a:b]) for a, b in ((0, 50), (50, 70), (70, 90))]

    def splits(self, seed: int) -> Splits:
        return Splits(*self.cut(seed)[:2])

    def test(self, seed: int) -> Split:
        return self.cut(seed)[2]


@breaks("splits-have-the-problem-s-shape")
class WrongShape(Rows):
    def problem(self) -> Problem:
        return Problem.classification((3,), 2)


@breaks("splits-are-a-function-of-the-seed")
class Restless(Rows):
    def all(self, seed: int) -> tuple[Any, Any]:
        x, y = super().all(seed)
        return x + np.float32(np.random.default_rng().normal()), y


@breaks("splits-are-disjoint")
class Overlapping(Rows):
    def cut(self, seed: int) -> list[Split]:
        x, y = self.all(seed)
        return [Split(x[a:b], y[a:b]) for a, b in ((0, 60), (50, 70), (70, 90))]


@breaks("scalers-see-training-rows-alone")
class ScaledBefore(Rows):
    def all(self, seed: int) -> tuple[Any, Any]:
        x, y = super().all(seed)
        return ((x - x.mean(0)) / x.std(0)).astype(np.float32), y


@breaks("training-knows-every-class")
class Sorted(Rows):
    def all(self, seed: int) -> tuple[Any, Any]:
        x, y = super().all(seed)
        return x, np.sort(y)

    def cut(self, seed: int) -> list[Split]:
        x, y = self.all(seed)
        return [Split(x[a:b], y[a:b]) for a, b in ((0, 40), (40, 60), (60, 90))]


@breaks("global-randomness-untouched")
class GlobalSplit(Rows):
    def all(self, seed: int) -> tuple[Any, Any]:
        np.random.seed(seed)  # noqa: NPY002
        return super().all(seed)


@breaks("instances-share-nothing")
class Cached(Rows):
    cache: ClassVar[dict[int, Any]] = {}

    def all(self, seed: int) -> tuple[Any, Any]:
        if seed not in Cached.cache:
            Cached.cache[seed] = super().all(seed)
        return Cached.cache[seed]


class Layer(ModelFactory):
    """A linear model; keeps every law."""

    plugin_api = 1

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        return nn.Linear(input_shape[0], output_dim)


@breaks("gives-raw-outputs")
class Softmax(Layer):
    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        return nn.Sequential(super().build(input_shape, output_dim), nn.Softmax(1))


@breaks("gives-raw-outputs")
class Sigmoid(Layer):
    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        return nn.Sequential(super().build(input_shape, output_dim), nn.Sigmoid())


@breaks("seeded")
class Unseeded(Layer):
    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        module = nn.Linear(input_shape[0], output_dim)
        nn.init.normal_(
            module.weight, generator=torch.Generator().manual_seed(torch.seed() % 1000 + id(module) % 997)
        )
        return module


@breaks("seeded")
class Zeros(Layer):
    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        module = nn.Linear(input_shape[0], output_dim)
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)
        return module


@breaks("every-build-is-new")
class Kept(Layer):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.made: nn.Module | None = None

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        if self.made is None:
            self.made = nn.Linear(input_shape[0], output_dim)
        return self.made


class _Centred(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x - x.mean(0))  # type: ignore[no-any-return]


@breaks("rows-do-not-mix")
class Mixing(Layer):
    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        return _Centred(super().build(input_shape, output_dim))


class _Recurrent(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, outputs, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x[:, None])[0][:, 0]  # type: ignore[no-any-return]


@breaks("batchable")
class Recurrent(Layer):
    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        return _Recurrent(input_shape[0], output_dim)


@breaks("can-be-trained")
class Frozen(Layer):
    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        return super().build(input_shape, output_dim).requires_grad_(False)


@breaks("global-randomness-untouched")
class PythonDice(Layer):
    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        random.random()
        return super().build(input_shape, output_dim)


def stage(chunk: tuple[Candidate, ...]) -> list[Outcome]:
    """Every loss has the length of its key for fitness."""
    return [Outcome(c.id, Status.EVALUATED, float(len(c.loss.key)), c.loss) for c in chunk]


class Lengths(Evaluator):
    """Trains nothing; keeps every law."""

    plugin_api = 1

    def evaluate(self, candidates: Any, context: Any) -> list[Outcome]:
        return list(context.map(stage, candidates))


@breaks("one-outcome-each-in-order")
class Reversed(Lengths):
    def evaluate(self, candidates: Any, context: Any) -> list[Outcome]:
        return super().evaluate(candidates, context)[::-1]


@breaks("a-bad-loss-is-an-outcome")
class Fragile(Lengths):
    def evaluate(self, candidates: Any, context: Any) -> list[Outcome]:
        engine = context.engine
        for trained in engine.train([Lane(c.loss, engine.lr, engine.search_seed(0)) for c in candidates]):
            if trained.diverged:
                raise ArithmeticError("a loss diverged")
        return super().evaluate(candidates, context)


@breaks("fitness-goes-with-status")
class NoFitness(Lengths):
    def evaluate(self, candidates: Any, context: Any) -> list[Outcome]:
        return [Outcome(c.id, Status.EVALUATED, float("nan"), c.loss) for c in candidates]


@breaks("same-candidates-same-outcomes")
class Moody(Lengths):
    def evaluate(self, candidates: Any, context: Any) -> list[Outcome]:
        mood = float(np.random.default_rng().normal())
        return [Outcome(c.id, Status.EVALUATED, mood, c.loss) for c in candidates]


@breaks("stages-can-be-sent")
class Lambda(Lengths):
    def evaluate(self, candidates: Any, context: Any) -> list[Outcome]:
        return list(context.map(lambda chunk: stage(chunk), candidates))


@breaks("metrics-are-numbers")
class TensorMetric(Lengths):
    def evaluate(self, candidates: Any, context: Any) -> list[Outcome]:
        return [
            Outcome(c.id, Status.EVALUATED, 1.0, c.loss, metrics={"x": torch.ones(1)}) for c in candidates
        ]  # type: ignore[dict-item]


@breaks("global-randomness-untouched")
class TorchDice(Lengths):
    def evaluate(self, candidates: Any, context: Any) -> list[Outcome]:
        torch.rand(1)
        return super().evaluate(candidates, context)


class Here(Executor):
    """Runs in this process; keeps every law."""

    plugin_api = 2

    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        for index, chunk in enumerate(chunks):
            try:
                yield index, function(chunk)
            except Exception as error:
                yield index, Failure.of(error)


class FirstVersion(Executor):
    """As executors of the first version were written."""

    plugin_api = 1

    def map(self, function: Any, items: Any) -> Any:  # type: ignore[override]
        return map(function, items)


@breaks("each-index-once")
class Shifted(Here):
    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        values = [value for _, value in super().map(function, chunks)]
        return enumerate(values[1:] + values[:1])


@breaks("each-index-once")
class Unnumbered(Here):
    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        return (value for _, value in super().map(function, chunks))


@breaks("stages-compute-the-same-anywhere")
class WithoutGradients(Here):
    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        with torch.inference_mode():
            return iter(list(super().map(function, chunks)))


@breaks("no-items-no-results")
class Always(Here):
    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        return iter(list(super().map(function, chunks)) or [(0, None)])


@breaks("a-failure-harms-no-other")
class Swallowing(Here):
    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        for index, value in super().map(function, chunks):
            yield index, None if isinstance(value, Failure) else value


@breaks("a-failure-harms-no-other")
class Raising(Here):
    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        return ((index, function(chunk)) for index, chunk in enumerate(chunks))


@breaks("takes-a-deadline")
class NoDeadline(Here):
    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        if deadline is not None:
            raise NotImplementedError("no deadlines here")
        return super().map(function, chunks)


@breaks("close-leaves-nothing")
class Leaving(Here):
    def map(self, function: Any, chunks: Any, *, deadline: float | None = None) -> Any:
        import subprocess

        subprocess.Popen(["sleep", "20"])
        return super().map(function, chunks)
