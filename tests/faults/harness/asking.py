"""How much the tests ask, and how they ask it."""

from __future__ import annotations

import os
from collections.abc import Callable

from .sweep import Report

FULL = os.environ.get("FAULTS") == "full"
"""Every point, and not a sample."""
Ask = Callable[..., Report]
Tell = Callable[[str, Report], Report]
