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

if sys.version_info >= (3, 11) and "typing_extensions" not in sys.modules:
    # msgspec takes from there what typing has had since; with inspect, which that loads, it costs ten milliseconds.
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    import msgspec  # noqa: F401

    del sys.modules["typing_extensions"]

from .cli.shortcut import taken  # noqa: E402


def main() -> None:
    """Run one command and leave at once: taking the interpreter's modules apart would cost a fifth of the time."""
    sys.argv[0] = "mlcli"
    try:
        code: object = taken(sys.argv[1:])
        if code is None:
            from .cli.app import app

            app(prog_name="mlcli")  # as `python -m mlcli`, too
            code = 0
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
