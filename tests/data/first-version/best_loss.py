"""A loss function found by automl-loss. This file needs torch and nothing else.

L(y, f) = (0.997·y - 0.999·f)²

f is the softmax probability of a class, y is 1 if it is the target's and else 0; L is summed over classes.
The scale 1.60345 multiplies it.

Keep cross-entropy: no difference to the found loss is supported (test error 6.9 % ± 5.9 against 8.3 % ± 0.0;
difference -1.4 points, 95 % interval -24.7 points to +21.9 points, p = 0.8).

Use it in place of your loss, on the raw outputs of your model (before softmax or sigmoid):

    criterion = LearnedLoss()
    criterion(model(x), target).backward()
"""

import torch


class LearnedLoss(torch.nn.Module):
    """Drop-in loss: `forward(raw_output, target, reduction="mean")`."""

    scale = 1.6034467480714938

    def forward(self, raw_output, target, reduction="mean"):
        """Loss of a batch.

        Args:
            raw_output: `(batch, 3)` float tensor, one raw output per class.
            target: `(batch,)` class indices, or `(batch, 3)` one-hot.
            reduction: "mean" or "sum" over the batch, or "none" for one value per sample.
        """
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none' but got {reduction!r}.")
        shapes = f"raw_output of shape {tuple(raw_output.shape)} and target of shape {tuple(target.shape)}"
        if raw_output.ndim == 2 and target.shape == raw_output.shape:
            target = target.argmax(dim=1)
        if raw_output.ndim != 2 or raw_output.shape[1] != 3 or target.shape != raw_output.shape[:1]:
            raise ValueError(f"expected (batch, 3) and (batch,) or (batch, 3) but got {shapes}.")
        target = target.long()
        values = self._values(raw_output, target)
        per_sample = self.scale * values.reshape(len(values), -1).sum(dim=1)
        return per_sample if reduction == "none" else getattr(per_sample, reduction)()

    @staticmethod
    def _values(raw_output, target):
        """The loss before scale and reduction."""
        prediction = torch.softmax(raw_output, dim=1)
        target = torch.nn.functional.one_hot(target, 3).to(prediction.dtype)
        f, y = prediction, target
        return 1.0006976127624512 * torch.square(
            0.9973409175872803 * ((0.9991698265075684 * y) - (1.0016108751296997 * f))
        )
