from __future__ import annotations

from support.fake_plugins import load, problems

__all__ = ["load", "problems"]
