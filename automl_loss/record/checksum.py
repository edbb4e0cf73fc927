"""The checksum of records and files: it finds damage, not forgery."""

from __future__ import annotations

import hashlib


def checksum(data: bytes) -> str:
    """Return the checksum of some bytes, 16 hexadecimal digits.

    Example:
        >>> checksum(b"")
        'e4a6a0577479b2b4'
    """
    return hashlib.blake2b(data, digest_size=8).hexdigest()
