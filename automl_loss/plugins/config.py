"""Define `PluginConfig`, the base class of plugins' options."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class PluginConfig(BaseModel):
    """Base of every plugin's nested `Config`: frozen, strict types, unknown keys refused.

    From it come recipe validation, `autoloss plugins show` and the JSON schema of recipes. Give every field a
    default and a `Field(description=...)`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
