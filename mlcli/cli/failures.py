"""Endings told apart: an expected error (its line, its hint, its code), an interrupt, a reader that left, a bug."""

from __future__ import annotations

import os

from ..errors import MlcliError
from . import output


def code_of(error: BaseException) -> int:
    """Say what went wrong, and the exit code for it; raises it again where its traceback is asked for."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads on: what is left unwritten goes nowhere
        return 141
    if output.state.debug or not isinstance(error, Exception):
        raise error
    if isinstance(error, MlcliError):
        output.error(error.message, error.hint, error.details)
        return error.exit_code
    output.bug_report(error)
    return 4
