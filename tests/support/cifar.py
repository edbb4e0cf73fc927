"""CIFAR's batches as Python 2 wrote them, opcode by opcode."""

from __future__ import annotations

import numpy as np


def cifar_batch(rows: int) -> bytes:
    """A batch as Python 2 wrote it, opcode by opcode."""
    pixels = np.random.default_rng(rows).integers(0, 256, (rows, 3072), dtype=np.uint8).tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\0\x85U\x01b\x87Rq\x03(K\x01K"
        + bytes([rows])
        + b"M\0\x0c\x86cnumpy\ndtype\nq\x04U\x02u1K\0K\x01\x87Rq\x05"
        + b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T"
        + len(pixels).to_bytes(4, "little")
        + pixels
        + b"tb"
    )
    labels = b"](" + b"".join(b"K" + bytes([i % 10]) for i in range(rows)) + b"e"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + labels + b"u."
