"""Do what is asked for, in this process: `python -m harness swept '{"workload": ...}'` prints a report."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import msgspec


def main(what: str, given: str) -> None:
    """Print the report of one question as JSON."""
    os.environ.pop("LD_PRELOAD", None)  # what we start, as git, is left alone
    from . import cramped, damage, powerloss, race, shutdown, sweep

    asked: dict[str, tuple[Callable[[Any], sweep.Report], type]] = {
        "swept": (sweep.swept, sweep.Spec),
        "lost": (powerloss.lost, sweep.Spec),
        "shut": (shutdown.shut, sweep.Spec),
        "cramped": (cramped.cramped, sweep.Spec),
        "only_read": (cramped.only_read, sweep.Spec),
        "off": (cramped.off, sweep.Spec),
        "harmed": (damage.harmed, damage.Harm),
        "raced": (race.raced, race.Race),
    }
    answer, spec = asked[what]
    sys.stdout.write(msgspec.json.encode(answer(msgspec.json.decode(given, type=spec))).decode() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
