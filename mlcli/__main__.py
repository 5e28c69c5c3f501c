"""`python -m mlcli`, and the console script."""

from __future__ import annotations

import gc
import os
import sys

# A command makes little garbage and is soon gone; looking for it while modules load costs a tenth of the start-up.
gc.disable()

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
