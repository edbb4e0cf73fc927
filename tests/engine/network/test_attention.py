from __future__ import annotations

import pytest
import torch
from torch.func import jvp, vmap
from torch.nn.functional import scaled_dot_product_attention

from automl_loss.engine.network._attention import plain_attention


def switches() -> list[bool]:
    backends = torch.backends.cuda
    return [
        backends.flash_sdp_enabled(),
        backends.mem_efficient_sdp_enabled(),
        backends.cudnn_sdp_enabled(),
        torch.backends.mha.get_fastpath_enabled(),
    ]


def test_plain_attention_can_be_batched_and_has_forward_mode_and_gives_the_same() -> None:
    # Warnings are errors here: torch warns where it has no rule for a batch.
    q = torch.randn(3, 2, 4, 5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fused = scaled_dot_product_attention(q, q, q)

    def attend(x: torch.Tensor) -> torch.Tensor:
        with plain_attention():
            return scaled_dot_product_attention(x, x, x)

    torch.testing.assert_close(vmap(attend)(q), fused)
    step = 1e-6
    difference = (attend(q + step) - attend(q - step)) / (2 * step)
    torch.testing.assert_close(jvp(attend, (q,), (torch.ones_like(q),))[1], difference, rtol=1e-6, atol=1e-8)


def test_torchs_settings_are_as_they_were_also_after_a_fault() -> None:
    before, seen = switches(), []

    def fail() -> None:
        with plain_attention():
            seen.append(switches())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert seen == [[False] * 4]
    assert switches() == before
