"""What is done while the command still runs: large inputs are digested, so that its end need not wait for them."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ..workspace import Workspace

if TYPE_CHECKING:
    from threading import Thread

    from ..domain.run import Digests
    from .system import Sampler

LARGE = 2**23
_EVERY = 5  # seconds; the first time after one


class Beside:
    """A thread of the lowest priority that digests what the command reads, as its processes tell of it."""

    def __init__(self, workspace: Workspace, run_id: str, events: str, system: Sampler | None = None) -> None:
        self._workspace, self._run_id = workspace, run_id
        self.digests = workspace.store.digesting()
        self._events = events
        self._system = system
        self._thread: Thread | None = None
        self._read: dict[str, int] = {}

    def start(self, pid: int) -> None:
        """Begin. Nothing is done in the first second, as most commands end in it."""
        self._workspace.note_command(self._run_id, pid)
        if self._events or self._system:
            import threading

            self._over = threading.Event()
            self._thread = threading.Thread(target=self._work, args=(pid,), name="digests", daemon=True)
            self._thread.start()

    def finish(self) -> Digests:
        """End; what is being read is read to its end, as it is needed now."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
        if self._system is not None:
            self._system.close()
        return self.digests

    def _work(self, pid: int) -> None:
        from threading import get_native_id

        with suppress(OSError, AttributeError):  # Linux takes a thread's number here
            os.setpriority(os.PRIO_PROCESS, get_native_id(), 19)
        second = 0
        while not self._over.wait(1.0):
            second += 1
            if second == 1:
                self._load()
            if self._system is not None:
                self._system.sample(pid)
            for path in self._new() if self._events and second % _EVERY == 1 else ():
                if not self._over.is_set():
                    self.digests.of(path)

    def _load(self) -> None:
        """Load what is needed at the end, too, while the command works anyway."""
        import msgspec

        from ..observation import code, completeness, files, fits, kinds, metrics, params, printed  # noqa: F401
        from ..observation.events import Opened

        self._undecodable = (msgspec.DecodeError, UnicodeDecodeError)
        self._decoder = msgspec.json.Decoder(Opened)

    def _new(self) -> list[str]:
        """The large files that were read since we last looked."""
        found = []
        with suppress(OSError):
            for name in os.listdir(self._events):
                with suppress(OSError), open(os.path.join(self._events, name), "rb") as file:
                    file.seek(self._read.get(name, 0))
                    lines = file.read().split(b"\n")[:-1]  # after the last is what is not whole yet
                    self._read[name] = self._read.get(name, 0) + sum(len(line) + 1 for line in lines)
                    found += [path for line in lines if (path := self._large(line))]
        return list(dict.fromkeys(found))

    def _large(self, line: bytes) -> str | None:
        if not line.startswith(b'{"e":"open"'):
            return None
        with suppress(*self._undecodable):
            told = self._decoder.decode(line)
            return told.p if told.m == "r" and told.st is not None and told.st[0] >= LARGE else None
        return None
