"""Types are met by one thread at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "data" / "format-1" / "kept-run.json"
THREADS = """
import sys, threading
sys.setswitchinterval(1e-6)
from mlcli.store import schema
document = schema.decode(open(sys.argv[1], "rb").read(), "run", "x")
start = threading.Barrier(8)
def read():
    start.wait()
    schema.run_from(document, "x")
threads = [threading.Thread(target=read) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_threads_that_read_their_first_run_at_once_do_not_crash() -> None:
    # Without the care of `typed` about every other interpreter ended by a segmentation fault.
    ended = [subprocess.run([sys.executable, "-c", THREADS, DOCUMENT], check=False).returncode for _ in range(8)]
    assert ended == [0] * 8
