"""Tuning: meta-gradient descent on the weights of many losses at once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from automl_loss.engine.clock import timed
from automl_loss.engine.population import Population
from automl_loss.engine.scale_matching import ScaleMatching, Snapshot, gradient_norms, norms
from automl_loss.engine.settings import TuningSettings
from automl_loss.engine.training.optimizers import adam
from automl_loss.engine.tuning.meta_gradient import Path
from automl_loss.engine.tuning.tuning_steps import HELD_OUT, TuningSteps
from automl_loss.losses.base import Loss

_ROUNDING = 100.0
_LEAST_COSINE = 0.8
_MOST_GROWTH = 3.0


@dataclass(frozen=True)
class Tuned:
    """A tuned loss.

    Args:
        loss: with tuned weights and, when scale is matched, its new scale.
        exact: whether it was tuned by exact meta-gradients.
        steps: training-step equivalents spent on its networks.
        refused: whether the guard refused the amortised weights.
    """

    loss: Loss
    exact: bool
    steps: float
    refused: bool = False


class Tuner:
    """Tunes losses on a fixed sequence of states.

    With matched scale the loss that is tuned is s(phi) M_phi, s(phi) = |dT/draw| / |dM_phi/draw| at the initial
    network; the meta-gradient is the derivative of that product, which has no component along a mere change of
    scale: d log s / dphi = - <h, dh/dphi> / <h, h> with h = dM_phi/draw at the initial network.

    Args:
        steps: the sequence of states, and the meta-gradients on them.
        settings: number of steps, rate, kind of gradient.
        populate: makes losses ready to be differentiated.
        matching: sets scales; `None` leaves them alone.
    """

    def __init__(
        self,
        steps: TuningSteps,
        settings: TuningSettings,
        populate: Callable[[Sequence[Loss]], Population],
        matching: ScaleMatching | None,
    ) -> None:
        self._steps = steps
        self._settings = settings
        self._populate = populate
        self._matching = matching

    @timed("tuning")
    def tune(self, losses: Sequence[Loss]) -> list[Tuned]:
        """Tune losses that have weights; the others come back as they are."""
        exact_alone = [i for i, loss in enumerate(losses) if loss.blank]
        if exact_alone and self._settings.gradient == "amortised":
            return self._tune_apart(losses, exact_alone)
        open_ = [i for i, loss in enumerate(losses) if loss.tunable and loss.space == "prediction"]
        result = [Tuned(loss, exact=False, steps=0.0) for loss in losses]
        if not open_ or not self._settings.steps:
            return result
        chosen = [losses[i] for i in open_]
        amortised = self._settings.gradient == "amortised" and self._settings.inner_steps == 1
        if amortised:
            population = self.descend(chosen, self.amortised_gradient)
            trusted = self.guard(chosen, population)
            tuned = population.tuned()
        else:
            trusted, tuned = [False] * len(chosen), list(chosen)
        doubtful = [k for k, good in enumerate(trusted) if not good]
        exact = not amortised or self._settings.refused == "exact"
        if doubtful:
            mended = [chosen[k] for k in doubtful]
            if exact:
                mended = self.descend(mended, self.exact_gradient).tuned()
            for k, loss in zip(doubtful, mended, strict=True):
                tuned[k] = loss
        cost = 3.0 * self._settings.inner_steps * self._settings.steps
        for k, i in enumerate(open_):
            spent = 0.0 if trusted[k] or not exact else cost
            result[i] = Tuned(tuned[k], spent > 0, spent, refused=amortised and not trusted[k])
        return result

    def _tune_apart(self, losses: Sequence[Loss], exact_alone: Sequence[int]) -> list[Tuned]:
        """The losses that must be tuned exactly, and the others as the settings say."""
        rest = [i for i in range(len(losses)) if i not in exact_alone]
        exactly = copy.copy(self)
        exactly._settings = self._settings.model_copy(update={"gradient": "exact"})
        results = dict(zip(exact_alone, exactly.tune([losses[i] for i in exact_alone]), strict=True))
        results |= dict(zip(rest, self.tune([losses[i] for i in rest]), strict=True)) if rest else {}
        return [results[i] for i in range(len(losses))]

    def amortised_gradient(self, population: Population, index: int, start: Tensor | None = None) -> Tensor:
        """`(P, K)` meta-gradients on triple `index`.

        Args:
            population: the losses.
            index: of the triple.
            start: the losses' gradients at the initial network, when they are at hand.
        """
        triple = self._steps.triple(index)
        snapshot = Snapshot(triple.raw, triple.target, triple.compared)
        return self._assemble(population, snapshot, triple.direction, start)

    def exact_gradient(self, population: Population, index: int, start: Tensor | None = None) -> Tensor:
        """`(P, K)` exact meta-gradients at state `index`; `start` as in `amortised_gradient`."""
        step = self._steps.step(index)
        if self._settings.inner_steps > 1 or self._steps.path is Path.LOOP:
            gradient, by_scale = self._steps.meta.unrolled(population, step, self._settings.inner_steps)
            return self._through_scale(population, gradient, by_scale, start)
        raw, directions = self._steps.meta.exact(population, step, self._steps.path)
        return self._assemble(population, Snapshot(raw, step.train.target), directions, start)

    def _assemble(
        self, population: Population, at: Snapshot, direction: Tensor, start: Tensor | None
    ) -> Tensor:
        """-a d/dphi <u, s(phi) g_phi>."""
        compared = at.compared or population.compare(at.raw, at.target)
        rate = self._steps.meta.inner.first
        gradient = population.weight_gradient(at.raw, at.target, direction, compared).mul_(-rate)
        if self._matching is None:
            return gradient
        slopes = population.gradient(at.raw, at.target, compared)
        along = (direction * slopes).sum((1, 2)).mul_(-rate)
        return self._through_scale(population, gradient, along, start)

    def _through_scale(
        self, population: Population, gradient: Tensor, by_scale: Tensor, start: Tensor | None
    ) -> Tensor:
        """Add what the weights change through a matched scale.

        Args:
            population: the losses.
            gradient: `(P, K)` meta-gradient at fixed scale.
            by_scale: `(P,)` derivative of the task loss with respect to the scale's logarithm.
            start: the losses' gradients at the initial network, when they are at hand.
        """
        if self._matching is None:
            return gradient
        at = self._matching.small
        if start is None:
            start = population.gradient(at.raw, at.target, at.compared)
        growth = population.weight_gradient(at.raw, at.target, start, at.compared)
        share = by_scale.double() / start.double().square().sum((1, 2))
        change = share.to(gradient.dtype)[:, None] * growth
        # A loss whose weights are a mere scale (a monomial) has none: what is left then is rounding, which Adam would
        # blow up to full steps.
        noise = _ROUNDING * torch.finfo(gradient.dtype).eps * (gradient.norm(dim=1) + change.norm(dim=1))
        rest = gradient - change
        return torch.where((rest.norm(dim=1) <= noise)[:, None], 0.0, rest)

    def descend(
        self, losses: Sequence[Loss], gradient: Callable[[Population, int, Tensor | None], Tensor]
    ) -> Population:
        """Adam on all weights at once; a loss whose meta-gradient is not finite keeps its weights for that step."""
        population = self._populate(losses)
        optimizer, rate = adam(), torch.full_like(population.weights[:, :1], self._settings.lr)
        for index in range(self._settings.steps):
            raw = gradient(population, index, self._rescale(population))
            usable = raw.isfinite().all(dim=1, keepdim=True)
            optimizer.step(population.weights, [torch.where(usable, raw, 0.0)], rate)
        self._rescale(population)
        return population

    def _rescale(self, population: Population) -> Tensor | None:
        """Match the scales at the initial network; returns the losses' gradients there, at their new scales."""
        if self._matching is None:
            return None
        at = self._matching.small
        start = population.gradient(at.raw, at.target, at.compared)
        factor = self._matching.factors(norms(start)).to(start.dtype)
        population.scales = population.scales * factor
        return start * factor[:, None, None]

    def guard(self, starts: Sequence[Loss], tuned: Population) -> list[bool]:
        """Whether the amortised meta-gradient still speaks for the exact one at the tuned weights.

        Compared over held-out states: the cosine of the summed gradients, unless both are small beside the gradient
        at the start; and how much the inner step has grown.
        """
        indices = range(self._settings.steps, self._settings.steps + HELD_OUT)
        before = self._populate(starts)
        self._rescale(before)
        cheap = torch.stack([self.amortised_gradient(tuned, i) for i in indices]).double().sum(0)
        true = torch.stack([self.exact_gradient(tuned, i) for i in indices]).double().sum(0)
        start = torch.stack([self.amortised_gradient(before, i) for i in indices]).double().sum(0)
        cosine = (cheap * true).sum(1) / (cheap.norm(dim=1) * true.norm(dim=1))
        settled = (cheap - true).norm(dim=1) <= 0.1 * start.norm(dim=1)
        growth = self._inner_norm(tuned, indices) / self._inner_norm(before, indices)
        good = ((cosine >= _LEAST_COSINE) | settled) & (growth <= _MOST_GROWTH)
        return [bool(value) for value in good]

    def _inner_norm(self, population: Population, indices: range) -> Tensor:
        """Mean norm of the inner step's gradient over some triples."""
        triples = [self._steps.triple(i) for i in indices]
        lengths = [gradient_norms(population, Snapshot(t.raw, t.target, t.compared)) for t in triples]
        return torch.stack(lengths).mean(0)
