"""Streams that are no terminals: a pipe each, and a process that carries what comes through it.

The command could be given the log itself to write to, but `> /dev/stderr` and `tee /dev/stdout` open what is behind a
stream anew: a file is truncated by that, and a pipe is not. And only a pipe tells the command that its reader left.
"""

from __future__ import annotations

import os
import select
import stat
import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import NoReturn

from .streams import CHUNK, GRACE, Destination, Log

# What a pipe may hold, if the command enlarged it. We do not: it is no faster, and a user may have only so much in
# pipes, after which all new ones are tiny.
_MOST = 2**20


class Pipe:
    """What the command is given as stdout, stderr or both (`given`), and the `source` from which it is carried on."""

    def __init__(self, fds: Sequence[int], source: int, given: int) -> None:
        self.fds = fds
        self.source = source
        self.given = given


class Carrier:
    """The process that carries a pipe for each of `groups`; without any, or where none can be had, there is no process.

    It is a fork of ours, as that costs a millisecond and a new interpreter ten. It ends when nobody can write into
    the pipes any more, or when we told it that the command has ended and the grace after it is over. If we are
    killed, nobody tells it, and it goes on to the end of the pipes. `given` closes what is for the command.
    """

    def __init__(self, groups: Sequence[Sequence[int]], log: Log, given: ExitStack) -> None:
        self.pipes: list[Pipe] = []
        self.pid = 0
        if not groups:
            return
        with ExitStack() as theirs, ExitStack() as ours:
            try:
                told, self.word = _pipe(theirs, ours)
                self.report, answer = _pipe(ours, theirs)
                pipes = [Pipe(fds, *_pipe(theirs, given)) for fds in groups]
                with warnings.catch_warnings():
                    # Python warns of a fork beside other threads, whose locks would stay locked: this one takes none.
                    warnings.simplefilter("ignore", DeprecationWarning)
                    self.pid = os.fork()
            except OSError as error:  # no more processes or descriptors: the command gets the streams themselves
                log.fault = f"the log has no output, as it cannot be carried there: {error.strerror}"
                return
            if not self.pid:
                _carry_and_exit(pipes, log, told, answer)
            ours.pop_all()
            self.pipes = pipes

    def tell_of_the_end(self) -> None:
        """Tell it that the command has ended: what keeps the pipes open now has the grace, and no more."""
        if self.pid:
            with suppress(OSError):  # it has ended too
                os.write(self.word, b".")

    def finish(self) -> list[str]:
        """Wait for its end; what it has to say of what is missing."""
        if not self.pid:
            return []
        said = b"".join(iter(lambda: os.read(self.report, CHUNK), b""))
        os.close(self.word)
        os.close(self.report)
        _, status = os.waitpid(self.pid, 0)
        faults = said.decode(errors="replace").splitlines()
        return [*faults, "output was cut off: the process that carried it was killed"] if status else faults


def _pipe(reading: ExitStack, writing: ExitStack) -> tuple[int, int]:
    source, end = os.pipe()
    reading.callback(os.close, source)
    writing.callback(os.close, end)
    return source, end


# In the process that carries


def _carry_and_exit(pipes: Sequence[Pipe], log: Log, told: int, answer: int) -> NoReturn:
    try:
        # No key of the terminal and no signal to our group may end it before the last output: so it has a session of
        # its own. What is sent to it alone waits for ever, as it is forked with our signals blocked.
        os.setsid()
        _close_all_but({told, answer, log.fd, *(fd for pipe in pipes for fd in (pipe.source, pipe.fds[0]))})
        ways = [_Way(pipe, log) for pipe in pipes]
        _carry(ways, told)
        faults = [log.fault, *(way.destination.fault for way in ways)]
        with suppress(OSError):  # we were killed, and nobody listens
            os.write(answer, "\n".join(fault for fault in faults if fault).encode())
        os._exit(0)
    finally:
        os._exit(1)  # without a word into streams that are not its own


def _close_all_but(kept: set[int]) -> None:
    try:
        opened = {int(name) for name in os.listdir("/dev/fd")}
    except OSError:  # no /proc here; the ends of its own pipes at least are among the first
        opened = set(range(256))
    for fd in opened - kept:
        with suppress(OSError):
            os.close(fd)


def _carry(ways: Sequence[_Way], told: int) -> None:
    opened = list(ways)
    deadline: float | None = None
    listening = True
    while opened:
        poller = select.poll()
        for way in opened:
            way.watch(poller)
        if listening:
            poller.register(told, select.POLLIN)
        waiting = deadline is not None and any(not way.pending for way in opened)
        asleep = max(deadline - time.monotonic(), 0) * 1000 if waiting and deadline is not None else None
        ready = {fd for fd, _ in poller.poll(asleep)}
        if told in ready:
            # A byte says that the command has ended. An end without one is ours, and nothing to the command.
            deadline = time.monotonic() + GRACE if os.read(told, 1) else None
            listening = False
        late = deadline is not None and time.monotonic() >= deadline
        for way in opened:
            way.advance(ready, late=late, alone=len(opened) == 1)
        opened = [way for way in opened if not way.closed]


class _Way:
    """From a pipe into the log and on to where the stream was going; `pending` is what that has not yet taken.

    Of several ways none waits for another: the command may write to one what has to be read before the other is.
    """

    def __init__(self, pipe: Pipe, log: Log) -> None:
        self.source = pipe.source
        self.destination = Destination(pipe.fds[0])
        self.log = log
        self.pending = memoryview(b"")
        self.closed = False
        self._ended = False
        self._rest = _MOST
        kind = os.fstat(self.destination.fd).st_mode
        self._patient = stat.S_ISREG(kind) or stat.S_ISCHR(kind)
        self._tells = stat.S_ISFIFO(kind) and not _is_named(self.destination.fd)
        os.set_blocking(self.source, False)

    def watch(self, poller: select.poll) -> None:
        """Register what to wait for."""
        if self.pending:
            poller.register(self.destination.fd, select.POLLOUT)
        else:
            poller.register(self.source, select.POLLIN)
            if self._tells:
                poller.register(self.destination.fd, 0)

    def advance(self, ready: set[int], *, late: bool, alone: bool) -> None:
        """Take the step that is ready: write, or read; `late` to read what is there and no more."""
        if self.pending and self.destination.fd in ready:
            # A pipe that is writable takes this much without making us wait.
            taken = self.destination.take(self.pending[: select.PIPE_BUF])
            self.pending = self.pending[taken:]
        elif self.destination.fd in ready:
            self.destination.gone = True
        elif not self.pending and (late or self.source in ready):
            self._read(late=late, alone=alone)
        if self.destination.gone:
            self.pending = memoryview(b"")
            while self._rest > 0 and (data := self._next()):
                self.log.append(data)
                self._rest -= len(data)
            self._ended = True
        if self._ended and not self.pending:
            os.close(self.source)  # from here on the command is told, should it write
            self.closed = True

    def _read(self, *, late: bool, alone: bool) -> None:
        data = self._next()
        if late:
            self._rest -= len(data or b"")
            self._ended = not data or self._rest <= 0
        elif data == b"":
            self._ended = True
        if data:
            self.log.append(data)
            if alone or self._patient:
                self.destination.write(data)
            else:
                self.pending = memoryview(data)

    def _next(self) -> bytes | None:
        """A chunk; nothing at the end of the pipe, None where there is nothing yet."""
        try:
            return os.read(self.source, CHUNK)
        except BlockingIOError:
            return None


def _is_named(fifo: int) -> bool:
    # It may find a new reader before the command writes again, and so does not tell that its reader left.
    try:
        return not os.readlink(f"/dev/fd/{fifo}").startswith("pipe:")
    except OSError:
        return True
