"""Run attention by plain matrix products, which can be batched and differentiated in every mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_backends = torch.backends.cuda

_SWITCHES: tuple[tuple[Callable[[], bool], Callable[[bool], None]], ...] = (
    (_backends.flash_sdp_enabled, _backends.enable_flash_sdp),
    (_backends.mem_efficient_sdp_enabled, _backends.enable_mem_efficient_sdp),
    (_backends.cudnn_sdp_enabled, _backends.enable_cudnn_sdp),
    (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
)


@contextmanager
def plain_attention() -> Iterator[None]:
    """Run a block without torch's fused attention, on CPU too, and restore torch's settings.

    Fused attention has neither a rule for `torch.vmap` nor forward mode nor a second derivative, all of which
    training in batches and tuning use.
    """
    # Faster than torch's own `sdpa_kernel`, which takes 10 us: this is used for every forward pass.
    before = [enabled() for enabled, _ in _SWITCHES]
    for _, enable in _SWITCHES:
        enable(False)
    try:
        yield
    finally:
        for (_, enable), was in zip(_SWITCHES, before, strict=True):
            enable(was)
