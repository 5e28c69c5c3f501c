"""Start a command and pass its terminal, signals, output and exit through unchanged, keeping a copy in a log.

A stream that is a terminal becomes an output-only pseudo-terminal, relayed and logged by us. Any other stream becomes
a pipe, which a process of its own (`pipes`) carries to where the stream was going and into the log: it depends on us
for nothing, so when we are killed the command goes on and its log stays whole. Standard input, process group, session
and terminal are not touched.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress

from .command import Child, Ending, not_started, spawn
from .pipes import Carrier
from .signals import Signals
from .streams import GRACE, Log, Terminal, identity

__all__ = ["Ending", "relay"]

_SHORTEST_NAP, _LONGEST_NAP = 0.002, 0.05


def relay(
    argv: Sequence[str],
    environ: Mapping[str, str],
    open_log: Callable[[], int],
    *,
    while_running: Callable[[int], None] | None = None,
) -> Ending:
    """Run `argv` to its end, from the main thread, and tell how it ended.

    `open_log` opens the log to append (O_APPEND); we close what it gives. `while_running` is called with the command's
    number once it runs, with signals blocked: it must start no process.
    """
    with ExitStack() as kept, ExitStack() as given:
        log = Log(_keep(kept, open_log()))
        # A standard stream that is closed (>&-) would lend its number to the next file we open; the log takes it.
        while _keep(kept, os.dup(log.fd)) <= 2:
            pass
        terminals, groups = _streams(log, kept, given)
        signals = Signals()
        kept.callback(signals.restore)
        # Forked while signals are blocked, as they are to stay in it, and before we have a second thread.
        carrier = Carrier(groups, log, given)
        try:
            child = Child(spawn(argv, environ, [*terminals, *carrier.pipes], signals.before))
        except (OSError, ValueError) as error:
            given.close()
            carrier.finish()
            return not_started(argv[0], error)
        given.close()
        signals.hand_on(child.pid, terminals)
        if while_running:
            with suppress(Exception):  # what fails here fails again when it is needed; now the command is to be served
                while_running(child.pid)
        _follow(child, terminals, carrier)
        faults = [log.fault, *(terminal.destination.fault for terminal in terminals), *carrier.finish()]
        signals.stop()  # only then is the command reaped, so that no signal meets a stranger with its number
        return child.ending(signals.seen, tuple(dict.fromkeys(fault for fault in faults if fault)))


def _streams(log: Log, kept: ExitStack, given: ExitStack) -> tuple[list[Terminal], list[list[int]]]:
    """A pseudo-terminal for each terminal, and the rest of stdout and stderr, grouped by what they lead to."""
    # A stream that is the log itself was closed, and stays closed; carrying it to itself would never end.
    fds = [fd for fd in (1, 2) if identity(fd) != identity(log.fd)]
    together = len(fds) == 2 and identity(1) == identity(2)
    terminals: list[Terminal] = []
    others: list[list[int]] = []
    for group in [fds] if together else [[fd] for fd in fds]:
        if not os.isatty(group[0]):
            others.append(group)
            continue
        try:
            master, slave = os.openpty()
        except OSError as error:  # a sandbox, or all are taken: the command gets the terminal itself
            log.fault = f"the log has no output, as there is no pseudo-terminal: {error.strerror}"
            continue
        terminals.append(Terminal(group, _keep(given, slave), _keep(kept, master), log))
    return terminals, others


def _keep(stack: ExitStack, fd: int) -> int:
    stack.callback(os.close, fd)
    return fd


def _follow(child: Child, terminals: Sequence[Terminal], carrier: Carrier) -> None:
    """Relay the terminals until the command has ended and they are closed, or held by what it left behind."""
    poller = select.poll()
    for fd in [child.watch, *(terminal.source for terminal in terminals)]:
        if fd >= 0:
            poller.register(fd, select.POLLIN)
    opened, nap = list(terminals), _SHORTEST_NAP
    deadline: float | None = None
    while deadline is None or (opened and time.monotonic() < deadline):
        asleep = None if child.watch >= 0 else nap
        if deadline is not None:
            asleep = max(deadline - time.monotonic(), 0)
        ready = {fd for fd, _ in poller.poll(None if asleep is None else asleep * 1000)}
        nap = _SHORTEST_NAP if ready else min(nap * 2, _LONGEST_NAP)
        if deadline is None and child.ended(ready):
            deadline = time.monotonic() + GRACE
            carrier.tell_of_the_end()
            if child.watch >= 0:
                poller.unregister(child.watch)
        for terminal in [terminal for terminal in opened if terminal.source in ready]:
            terminal.pump()
            if terminal.closed:
                opened.remove(terminal)
                poller.unregister(terminal.source)
    for terminal in opened:
        terminal.drain()
