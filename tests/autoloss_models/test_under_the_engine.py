"""Every convolutional model trains under the engine, alone and batched, as in a plain torch loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from support.engines import train
from support.images import Stripes, image_engine
from torch.nn import functional

from autoloss_models.lenet5 import LeNet5
from autoloss_models.plain_convolutional import VGG16, AlexNet, AllCNNC, SqueezeNet
from autoloss_models.pyramidnet import PyramidNet
from autoloss_models.resnet import PreResNet18, ResNet18, WideResNet
from automl_loss import ModelFactory, Problem, SymbolicLoss, parse, standard_primitives, task_loss
from automl_loss.engine.data.rows import BatchOrder
from automl_loss.engine.tuning.meta_gradient import Path
from automl_loss.seeds import stream


def model(kind: type[ModelFactory], **options: object) -> Callable[[], ModelFactory]:
    return partial(kind, kind.Config.model_validate(options))


SMALL = {
    "lenet5": (model(LeNet5), 12),
    "squeezenet": (model(SqueezeNet), 8),
    "allcnn-c": (model(AllCNNC), 8),
    "resnet18": (model(ResNet18, width=4), 8),
    "preresnet18": (model(PreResNet18, width=4), 8),
    "wideresnet": (model(WideResNet, depth=10, widen=1), 8),
    "pyramidnet": (model(PyramidNet, depth=8, alpha=6), 8),
}
LARGE = {"alexnet": (model(AlexNet), 28), "vgg16": (model(VGG16), 16)}


def in_a_plain_loop(make: Callable[[], ModelFactory], side: int, lr: float, steps: int) -> np.ndarray:
    """Raw outputs on the test rows after training by torch's own modules, loss and optimiser."""
    rows, test = Stripes(side).splits(0).train, Stripes(side).test(0)
    x, y = torch.from_numpy(rows.x).double(), torch.from_numpy(rows.y)
    with torch.random.fork_rng():
        torch.manual_seed(stream(5, "weights"))
        network = make().build((2, side, side), 3).double()
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    order = BatchOrder(len(y), 8, 5)
    network.train()
    for step in range(steps):
        index = torch.from_numpy(order[step])
        optimizer.zero_grad()
        functional.cross_entropy(network(x[index]), y[index]).backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        return network(torch.from_numpy(test.x).double()).numpy()


@pytest.mark.parametrize("name", SMALL)
def test_alone_and_batched_it_trains_as_in_a_plain_loop(name: str) -> None:
    make, side = SMALL[name]
    problem = Problem.classification((2, side, side), 3)
    rates = [0.02, 0.005]
    expected = [in_a_plain_loop(make, side, lr, 4) for lr in rates]
    for width in (1, 2):
        engine = image_engine(make, side, width)
        assert engine.width == width
        results = train(engine, [task_loss(problem)] * 2, lr=rates, seed=5, test=Stripes(side).test(0))
        for result, outputs in zip(results, expected, strict=True):
            np.testing.assert_allclose(result.test_output_last, outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LARGE)
def test_a_large_one_trains_alone_as_in_a_plain_loop(name: str) -> None:
    make, side = LARGE[name]
    problem = Problem.classification((2, side, side), 3)
    engine = image_engine(make, side)
    (result,) = train(engine, [task_loss(problem)], lr=0.005, steps=2, seed=5, test=Stripes(side).test(0))
    outputs = in_a_plain_loop(make, side, 0.005, 2)
    np.testing.assert_allclose(result.test_output_last, outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["allcnn-c", "wideresnet"])
def test_dropout_masks_are_common_to_a_batch(name: str) -> None:
    make, side = {
        "allcnn-c": (model(AllCNNC, dropout=0.5), 8),
        "wideresnet": (model(WideResNet, depth=10, widen=1, dropout=0.5), 8),
    }[name]
    loss = task_loss(Problem.classification((2, side, side), 3))
    test = Stripes(side).test(0)
    batched = train(image_engine(make, side, 2), [loss] * 2, lr=[0.02, 0.005], seed=5, test=test)
    alone = [train(image_engine(make, side), [loss], lr=lr, seed=5, test=test)[0] for lr in (0.02, 0.005)]
    for one, other in zip(batched, alone, strict=True):
        assert one.test_output_last is not None
        np.testing.assert_allclose(one.test_output_last, other.test_output_last, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["lenet5", "squeezenet", "resnet18", "pyramidnet"])
def test_it_has_forward_mode_and_losses_are_tuned_on_it(name: str) -> None:
    make, side = SMALL[name]
    engine = image_engine(make, side)
    assert engine.path is Path.FORWARD
    loss = SymbolicLoss(parse("square(sub(y, f))", standard_primitives()))
    (tuned,) = engine.tune(engine.match_scale([loss]))
    assert not tuned.exact
    assert tuned.refused or tuned.loss.weights != loss.weights


@pytest.mark.parametrize("name", SMALL)
def test_it_starts_from_a_seed(name: str) -> None:
    make, side = SMALL[name]
    network = image_engine(make, side, dtype="float32").network
    assert torch.equal(network.initial(3).theta, network.initial(3).theta)
    assert not torch.equal(network.initial(3).theta, network.initial(4).theta)
