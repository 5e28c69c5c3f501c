"""The gate that runs a command."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..domain.gate import Ran
from ..domain.names import escaped
from ..domain.secrets import masked_text
from ..workspace import ROOT_VARIABLE, RUN_VARIABLE, STORE_VARIABLE
from . import Case, Found

_TAIL = 4000
_GRACE = 2.0
_DRAIN = 0.2
_OURS = (RUN_VARIABLE, "MLCLI_CAPTURE_DIR", "MLCLI_CAPTURE")


def ran(case: Case, gate: Ran) -> Found:
    """Whether a shell command gives 0 in time, at the top of the workspace; what is judged again is not run again."""
    if case.event:
        return None
    limit, begun = case.rules.timeout, time.monotonic()
    try:
        with _ended_by_signals(), _started(gate.command, case) as process:
            said, ended = _output(process, begun + limit)
    except OSError as error:
        return False, f"it cannot be started: {error.strerror}"
    took = f"{time.monotonic() - begun:.1f} s"
    if not ended:
        return False, f"it did not end within {limit:g} s" + _last_line(said)
    code = process.returncode
    if code == 0:
        return True, f"exit code 0 after {took}"
    how = f"exit code {code}" if code > 0 else f"signal {-code}"
    return False, f"{how} after {took}" + _last_line(said)


def _last_line(said: bytes) -> str:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return f": {escaped(masked_text(lines[-1]))[:200]}" if lines else ""


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let a signal that would end us end first what was started, which has no terminal that could tell it."""
    from threading import current_thread, main_thread

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    of_main = current_thread() is main_thread()
    ends = [each for each in (signal.SIGTERM, signal.SIGHUP) if of_main and signal.getsignal(each) is signal.SIG_DFL]
    for number in ends:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _started(command: str, case: Case) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a session of its own, of which no process is left behind, however this ends."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=case.workspace.root,
        env=_environment(case),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        if process.poll() is None:
            _tell(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
    finally:  # also where somebody presses Ctrl-C once more
        _tell(process, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def _tell(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _output(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bool]:
    """The end of what it printed, and whether it ended in time. Who still holds its output does not keep us waiting."""
    from select import select

    tail, stream, until = b"", process.stdout, deadline
    assert stream is not None
    while (left := until - time.monotonic()) > 0:
        if until == deadline and process.poll() is not None:
            until = min(deadline, time.monotonic() + _DRAIN)
        if select([stream], [], [], min(left, 0.1))[0]:
            if not (said := os.read(stream.fileno(), 65536)):
                break
            tail = (tail + said)[-_TAIL:]
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline - time.monotonic()))
    return tail, process.returncode is not None


def _environment(case: Case) -> dict[str, str]:
    from ..gitrepo import scrubbed

    version, workspace = case.version, case.workspace
    environ = {name: value for name, value in scrubbed(workspace.environ).items() if name not in _OURS}
    path = environ.get("PATH", os.defpath)
    if shutil.which("mlcli", path=path) is None:
        # Where mlcli was called by its path, as .venv/bin/mlcli, the command finds it nevertheless.
        path = os.pathsep.join((path, os.path.dirname(sys.executable)))
    return environ | {
        "PATH": path,
        ROOT_VARIABLE: workspace.root,
        STORE_VARIABLE: workspace.store.root,
        "MLCLI_REF": version.ref,
        "MLCLI_MODEL": version.model,
        "MLCLI_VERSION": str(version.number),
        "MLCLI_STAGE": case.stage.value,
        "MLCLI_SOURCE_RUN": version.run.id,
        "MLCLI_COMMIT": version.run.git.commit or "",
    }
