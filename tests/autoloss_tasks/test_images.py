from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from support.engines import Factory, loss_of, train
from support.idx import write_mnist
from torch import nn

from autoloss_tasks.images import Images
from autoloss_tasks.mnist import Mnist
from automl_loss.engine.data.corruption import TaskOptions
from automl_loss.engine.engine import Engine
from automl_loss.engine.engine_spec import EngineSpec
from automl_loss.engine.settings import TrainingSettings
from automl_loss.plugins.task import Inputs

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 3, 6, 5), dtype=np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_images_keep_the_engine_s_protocol() -> None:
    assert isinstance(Images.of(PIXELS), Inputs)


def test_prepared_channels_have_mean_zero_and_deviation_one() -> None:
    images = Images.of(PIXELS)
    seen = images.prepare(torch.as_tensor(PIXELS), torch.float64)
    assert seen.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-12)
    assert seen.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-12)


def test_a_constant_channel_is_centred() -> None:
    pixels = PIXELS.copy()
    pixels[:, 1] = 77
    seen = Images.of(pixels).prepare(torch.as_tensor(pixels), torch.float32)
    assert (seen[:, 1] == 0).all()
    assert torch.isfinite(seen).all()


def test_a_batch_per_network_is_prepared_as_each_alone() -> None:
    images, stored = Images.of(PIXELS), torch.as_tensor(PIXELS)
    both = images.prepare(torch.stack([stored[:4], stored[4:8]]), torch.float32)
    assert torch.equal(both[1], images.prepare(stored[4:8], torch.float32))


def test_an_augmented_image_is_a_shifted_and_perhaps_mirrored_window_of_the_framed_one() -> None:
    images = Images.of(PIXELS, crop=2, flip=True)
    seen = images.augment(torch.as_tensor(PIXELS), rng()).numpy()
    found = set()
    for before, after in zip(PIXELS, seen, strict=True):
        framed = np.pad(before, ((0, 0), (2, 2), (2, 2)))
        windows = {
            (down, right, side): framed[:, down : down + 6, right : right + 5][:, :, ::side]
            for down in range(5)
            for right in range(5)
            for side in (1, -1)
        }
        matches = [place for place, window in windows.items() if np.array_equal(window, after)]
        assert len(matches) == 1
        found.add(matches[0])
    assert {place[2] for place in found} == {1, -1}
    assert {place[0] for place in found} == {place[1] for place in found} == set(range(5))


def test_without_crop_and_flip_images_stay_as_they_are() -> None:
    assert np.array_equal(Images.of(PIXELS).augment(torch.as_tensor(PIXELS), rng()), PIXELS)


def test_images_like_training_ones_have_their_scale_and_are_not_augmented() -> None:
    images = Images.of(PIXELS[:20], crop=2, flip=True)
    other = images.like_training(PIXELS[20:])
    assert (other.mean, other.std, other.crop, other.flip) == (images.mean, images.std, 0, False)


def net(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, outputs))


def engine_on(folder: Path, options: TaskOptions | None = None, width: int | None = None) -> Engine:
    config = Mnist.Config(folder=str(folder), crop=2, flip=True)
    training = TrainingSettings(steps=6, lr=0.01, batch_size=32, width=width)
    return Engine(
        EngineSpec(
            task=partial(Mnist, config),
            model=partial(Factory, net),
            options=options or TaskOptions(),
            training=training,
        )
    )


def test_the_engine_trains_on_augmented_images_paired_whatever_the_company(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    losses = [loss_of("mul(y, log(f))"), loss_of("square(sub(y, f))")]
    together = train(engine_on(tmp_path), losses, seed=[1, 2])
    alone = [
        train(engine_on(tmp_path, width=1), [loss], seed=seed)[0]
        for loss, seed in zip(losses, (1, 2), strict=True)
    ]
    assert [one.curve for one in together] == [pytest.approx(one.curve, abs=1e-6) for one in alone]


def test_label_noise_and_imbalance_leave_images_as_they_are(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    clean = engine_on(tmp_path).train_rows
    noisy = engine_on(tmp_path, TaskOptions.model_validate({"label_noise": 0.4})).train_rows
    assert noisy.inputs.crop == 2
    assert torch.equal(noisy.stored, clean.stored)
    assert 0.2 < float((noisy.target != clean.target).float().mean()) < 0.6
    rare = engine_on(tmp_path, TaskOptions(imbalance=0.2)).train_rows
    pairs = {
        (bytes(image.numpy()), int(label)) for image, label in zip(clean.stored, clean.target, strict=True)
    }
    assert len(rare) < len(clean)
    assert {
        (bytes(image.numpy()), int(label)) for image, label in zip(rare.stored, rare.target, strict=True)
    } <= pairs
    assert rare.inputs.crop == 2


def test_images_stay_uint8_on_the_device(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    engine = engine_on(tmp_path)
    assert engine.train_rows.stored.dtype == engine.validation_rows.stored.dtype == torch.uint8
    assert engine.train_rows[torch.arange(4)].x.dtype == torch.float32
