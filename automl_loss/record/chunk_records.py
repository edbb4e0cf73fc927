"""Chunk records: what each finished piece of work gave, in `chunks.log`, durable as soon as it has arrived.

One record a line: a checksum, a space, and JSON with `key` and `value`; of several with one key the last counts. The
first record says what the run depends on: digests of its recipe, of its rows and of the user's own code.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_loss.engine.clock import timed
from automl_loss.record.append_file import AppendFile, cut_off
from automl_loss.record.atomic import replace_file, writing
from automl_loss.record.checksum import checksum
from automl_loss.record.encoding import plain

SCHEMA = 1
_RUN = "run"
"""Key of the record that says what the run depends on."""

_logger = logging.getLogger(__name__)


class ChunkRecords:
    """Values by key; only their places in the file are held in memory.

    Law: what `remember` was given is there after the process is killed right after it returns, and comes back equal
    bit for bit. A line that was damaged on disk is named in a warning and counts as never written, so that its chunk is
    computed again.

    Args:
        path: the file; the caller holds its directory. A last line that was cut short is cut off.
        earlier: texts by key that an earlier version of the program kept elsewhere.

    Raises:
        AutolossError: the file cannot be written.
    """

    def __init__(self, path: Path, earlier: Mapping[str, str] | None = None) -> None:
        self.session = uuid.uuid4().hex[:8]
        self._earlier = dict(earlier or {})
        self._places: dict[str, tuple[int, int]] = {}
        if path.exists():
            self._read(path)
        self._file = AppendFile(path)

    def _read(self, path: Path) -> None:
        end, line = 0, b"\n"
        with writing(path), path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    break
                record = _record(line)
                if record is None:
                    _logger.warning(
                        "%s:%d: this record does not match its checksum; it is left out, and what it held is computed "
                        "again.", path, number,
                    )  # fmt: skip
                else:
                    self._places[record["key"]] = (end, len(line))
                end += len(line)
        if not line.endswith(b"\n"):
            cut_off(path, end)

    @timed("ledger")
    def remember(self, key: str, value: Any) -> None:
        """Record a value under a key, in place of one that is there, in one durable append.

        Args:
            key: a path, e.g. `generation-3/stage-1/17-32`.
            value: plain data; numpy scalars become Python numbers, tuples lists.

        Raises:
            TypeError: the value is not plain data.
            AutolossError: the file cannot be written.
        """
        # Python's JSON, which has words for numbers that are not finite.
        text = json.dumps({"key": key, "value": plain(value)}, separators=(",", ":")).encode()
        line = b"%s %s\n" % (checksum(text).encode(), text)
        self._places[key] = (self._file.append(line), len(line))

    def recall(self, key: str) -> Any:
        """The recorded value, or `None`."""
        if key not in self._places:
            text = self._earlier.get(key)
            return None if text is None else json.loads(text)
        start, length = self._places[key]
        with self._file.path.open("rb") as stream:
            stream.seek(start)
            record = _record(stream.read(length))
        return None if record is None else record["value"]

    def recall_prefix(self, prefix: str) -> dict[str, Any]:
        """Every recorded value whose key begins so, by the rest of the key."""
        keys = dict.fromkeys([*self._earlier, *self._places])
        return {key.removeprefix(prefix): self.recall(key) for key in keys if key.startswith(prefix)}

    def identify(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Record what the run depends on, unless that is on record; returns what is.

        Args:
            facts: plain data: the recipe, and digests of the rows and the user's own code.
        """
        if _RUN not in self._places:
            self.remember(_RUN, {"schema": SCHEMA, **facts})
        recorded: Mapping[str, Any] | None = self.recall(_RUN)
        return facts if recorded is None else recorded

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @classmethod
    def read(cls, path: Path) -> dict[str, Any]:
        """Every value of a file by key, of one that another process may be writing; damaged lines are left out."""
        with path.open("rb") as stream:
            records = [_record(line) for line in stream]
        return {record["key"]: record["value"] for record in records if record is not None}


def damaged_lines(path: Path) -> list[int]:
    """Numbers of the lines of a file, from 1, that do not match their checksum or were cut short."""
    if not path.exists():
        return []
    with path.open("rb") as stream:
        return [
            number
            for number, line in enumerate(stream, start=1)
            if not line.endswith(b"\n") or _record(line) is None
        ]


def drop_damaged_lines(path: Path) -> None:
    """Replace a file by its lines that are whole, and keep the others in a file beside it, with suffix `.torn`.

    Raises:
        AutolossError: the file cannot be written.
    """
    bad = set(damaged_lines(path))
    lines = path.read_bytes().splitlines(keepends=True)
    with writing(path), path.with_name(f"{path.name}.torn").open("ab") as beside:
        beside.writelines(line for number, line in enumerate(lines, start=1) if number in bad)
    whole = b"".join(line for number, line in enumerate(lines, start=1) if number not in bad)
    replace_file(path, lambda stream: stream.write(whole))


def _record(line: bytes) -> dict[str, Any] | None:
    """The record of a line, or `None` where it is damaged."""
    recorded, _, text = line.rstrip(b"\n").partition(b" ")
    if recorded != checksum(text).encode():
        return None
    data: dict[str, Any] = json.loads(text)
    return data
