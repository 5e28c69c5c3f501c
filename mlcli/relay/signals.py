"""Signals between us and the command."""

from __future__ import annotations

import _thread  # a bare thread is all that is needed, and `threading` costs milliseconds to import
import os
import signal
from collections.abc import Sequence
from contextlib import suppress

from .streams import Terminal

_KEYS = (signal.SIGINT, signal.SIGQUIT)
_ENDINGS = (*_KEYS, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Signals between us and the command: blocked in the main thread, taken by another that sees who sent them.

    Ctrl-C and its like reach the command from the terminal, which sends them to the whole foreground group: they are
    not handed on. What a process sent is handed on once, at once. Nothing tells a signal sent to us alone from one
    that a process sent to the whole group (`kill -INT -PGID`): the command then gets it twice. The other choice was a
    command that cannot be interrupted through us. Ctrl-Z is left alone, and stops us both.
    """

    def __init__(self) -> None:
        asked = (*_ENDINGS, signal.SIGUSR1, signal.SIGUSR2)
        # What our parent chose to ignore (nohup, a shell's &) stays ignored, here and in the command.
        heeded = {number for number in asked if signal.getsignal(number) is not signal.SIG_IGN}
        self.taken = heeded | {signal.SIGWINCH, signal.SIGCONT}
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, self.taken)
        # An ignored SIGCHLD would have the kernel throw the exit code away.
        chosen = {signal.SIGPIPE: signal.SIG_IGN, signal.SIGCHLD: signal.SIG_DFL}
        self.dispositions = {number: signal.signal(number, action) for number, action in chosen.items()}
        self.seen: int | None = None
        self.thread = 0
        self.over = False
        self.woken, self.done = _thread.allocate_lock(), _thread.allocate_lock()

    def hand_on(self, child: int, terminals: Sequence[Terminal]) -> None:
        """Begin to hand them on to the command."""
        self.woken.acquire()
        self.done.acquire()
        self.thread = _thread.start_new_thread(self._hand_on, (child, terminals))

    def stop(self) -> None:
        """Hand nothing on any more: the command's number may soon be another's."""
        if self.thread and not self.over:
            self.over = True
            signal.pthread_kill(self.thread, signal.SIGWINCH)
            self.woken.release()
            self.done.acquire()
            # Ctrl-C was there before the command died of it, but the thread may have been woken before it took it.
            for number in signal.sigpending() & self.taken:
                self._note(signal.sigwait({number}))

    def restore(self) -> None:
        """Leave signals as they were before."""
        self.stop()
        for number, action in self.dispositions.items():
            if action is not None:
                signal.signal(number, action)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)

    def _hand_on(self, child: int, terminals: Sequence[Terminal]) -> None:
        while True:
            number, by_terminal = self._next()
            if self.over and number == signal.SIGWINCH:
                break
            self._note(number)
            if number in (signal.SIGWINCH, signal.SIGCONT):
                for terminal in terminals:
                    terminal.resize()
            # The kernel told the command of the new size before its own terminal had it: SIGWINCH is sent once more.
            told = number == signal.SIGCONT or (number == signal.SIGWINCH and not terminals)
            if not told and not (by_terminal and number in _KEYS):
                with suppress(OSError):  # it ended, or became another user, as sudo does
                    os.kill(child, number)
        self.woken.acquire()  # a thread that has ended must not be sent a signal
        self.done.release()

    def _note(self, number: int) -> None:
        if number in _ENDINGS:
            self.seen = self.seen or int(number)

    def _next(self) -> tuple[int, bool]:
        if hasattr(signal, "sigwaitinfo"):
            info = signal.sigwaitinfo(self.taken)
            return info.si_signo, info.si_code > 0
        # macOS does not say who sent it: in the foreground of a terminal, a key was pressed.
        with suppress(OSError), open("/dev/tty", "rb", buffering=0) as terminal:
            return signal.sigwait(self.taken), os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
        return signal.sigwait(self.taken), False
