"""`python -m mlcli`, and the console script."""

from __future__ import annotations

import gc
import os
import sys
from typing import IO

# A command makes little garbage and is soon gone; looking for it while modules load costs a tenth of the start-up.
gc.disable()


def _stand_in() -> IO[str]:
    """A stream that leads nowhere, for one that was closed (2>&-); its number stays free for what the user runs."""
    import fcntl

    low = os.open(os.devnull, os.O_WRONLY)
    try:
        return open(fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 3), "w", encoding="utf-8")
    finally:
        os.close(low)


sys.stdout, sys.stderr = sys.stdout or _stand_in(), sys.stderr or _stand_in()

from .cli.app import app  # noqa: E402


def main() -> None:
    """Run one command and leave at once: taking the interpreter's modules apart would cost a fifth of the time."""
    sys.argv[0] = "mlcli"
    try:
        app(prog_name="mlcli")  # as `python -m mlcli`, too
        code: object = 0
    except SystemExit as ended:
        code = ended.code
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # whoever read us has gone
            code = code or 141
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    main()
