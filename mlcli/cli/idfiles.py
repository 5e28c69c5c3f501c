"""The file that `--idfile` names: a run's id, for a Makefile or script to go on with."""

from __future__ import annotations

import os


def check_writable(path: str) -> None:
    """WriteFailed where the file cannot be written."""
    # Asked before the run begins, and without making the file: a new file would make the run dirty.
    from ..domain.names import quoted
    from ..errors import WriteFailed

    directory = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or not os.access(path if os.path.exists(path) else directory, os.W_OK):
        told = "it is a directory" if os.path.isdir(path) else "no such directory, or not writable"
        raise WriteFailed(f"cannot write --idfile {quoted(path)}: {told}")


def write_id(path: str, run_id: str) -> None:
    """Write the id."""
    from ..domain.names import quoted
    from ..errors import WriteFailed

    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(run_id + "\n")
    except OSError as error:
        raise WriteFailed(f"cannot write --idfile {quoted(path)}: {error.strerror}") from None
