"""Run jobs of `parse_in_child` in forked processes: the same code and limits, without starting Python for each file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

_SERVER = """
import sys
sys.path[:] = {path!r}
from support.fork_server import serve
serve()
"""


def serve() -> None:
    """Read jobs from the input, a line each; fork for each, and write its exit status."""
    import autoloss_tasks._mat_file
    import autoloss_tasks._parquet_file  # noqa: F401
    from automl_loss.plugins._parse_child import run

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for line in sys.stdin:
        message = json.loads(line)
        child = os.fork()
        if not child:
            run(json.loads(message["job"]))
            os._exit(0)
        end = time.monotonic() + message["timeout"]
        done, status = os.waitpid(child, os.WNOHANG)
        while not done and time.monotonic() < end:
            time.sleep(0.002)
            done, status = os.waitpid(child, os.WNOHANG)
        if not done:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status) if done else "late", flush=True)


class ForkServer:
    """Stands in for `subprocess.run` of a parser."""

    def __init__(self) -> None:
        program = _SERVER.format(path=sys.path)
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True)

    def run(
        self, command: list[str], input: str, timeout: float, **rest: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run one job."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"job": input, "timeout": timeout}) + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline().strip()
        if said == "late":
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, int(said), "", "")

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
