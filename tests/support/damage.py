"""Damage bytes as disks, networks and strangers do."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np


def _flip(data: bytearray, rng: np.random.Generator) -> bytearray:
    for place in rng.integers(len(data), size=int(rng.choice([1, 1, 2, 8, 64]))):
        data[place] ^= 1 << int(rng.integers(8))
    return data


def _truncate(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: int(rng.integers(len(data)))]


def _block(data: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(len(data)))
    return start, min(len(data), start + int(rng.choice([1, 4, 16, 64, 512])))


def _repeat(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _block(data, rng)
    return data[:end] + data[start:end] * int(rng.choice([1, 2, 50])) + data[end:]


def _drop(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _block(data, rng)
    return data[:start] + data[end:]


def _fill(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _block(data, rng)
    data[start:end] = bytes([int(rng.choice([0, 0x7F, 0x80, 0xFF]))]) * (end - start)
    return data


def _noise(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _block(data, rng)
    data[start:end] = rng.bytes(end - start)
    return data


def _head(data: bytearray, rng: np.random.Generator) -> bytearray:
    for place in rng.integers(min(128, len(data)), size=int(rng.choice([1, 2, 8]))):
        data[place] = int(rng.integers(256))
    return data


def _tail(data: bytearray, rng: np.random.Generator) -> bytearray:
    for place in rng.integers(min(256, len(data)), size=int(rng.choice([1, 2, 8]))):
        data[-1 - place] = int(rng.integers(256))
    return data


def _size(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Write a huge or negative number where a header may have a size."""
    number = int(rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1]))
    code = str(rng.choice(["<I", ">I", "<Q", ">Q"]))
    packed = struct.pack(code, number % 2 ** (32 if "I" in code else 64))
    start = int(rng.integers(min(len(data), 4096)))
    data[start : start + len(packed)] = packed
    return data


def _digits(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Make a number that is written in text another one."""
    places = [place for place, byte in enumerate(data[:65536]) if 48 <= byte <= 57]
    if not places:
        return _flip(data, rng)
    place = int(rng.choice(places))
    new = [
        b"9",
        b"-1",
        b"1e300",
        b"1e999",
        b"nan",
        b"",
        b"99999999999999999999",
        b"x",
        b"\0",
        b'"',
        b"\n",
        b",,",
    ]
    return data[:place] + bytearray(new[int(rng.integers(len(new)))]) + data[place + 1 :]


_KINDS: tuple[Callable[[bytearray, np.random.Generator], bytearray], ...] = (
    _flip, _truncate, _repeat, _drop, _fill, _noise, _head, _tail, _size, _digits,
)  # fmt: skip


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes after one to three faults."""
    changed = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        if not changed:
            break
        changed = _KINDS[int(rng.integers(len(_KINDS)))](changed, rng)
    return bytes(changed)
