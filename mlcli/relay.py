"""Start a command and pass its terminal, signals, output and exit through unchanged, keeping a copy in a log.

A stream that is a terminal becomes an output-only pseudo-terminal, relayed and logged by us. Any other stream is the
log file itself, which we follow to where the stream was going: so the command depends on us for nothing, and when we
are killed it goes on and its log stays whole. Standard input, process group, session and terminal are not touched.
"""

from __future__ import annotations

import _thread  # a bare thread is all that is needed, and `threading` costs milliseconds to import
import errno
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import resource

_CHUNK = 2**18
_SHORTEST_NAP, _LONGEST_NAP = 0.002, 0.05
_GRACE = 0.25
_TERMINAL_BUFFER = 2**17  # more than a pseudo-terminal of Linux or macOS holds back
_KEYS = (signal.SIGINT, signal.SIGQUIT)
_ENDINGS = (*_KEYS, signal.SIGTERM, signal.SIGHUP)


class Ending(NamedTuple):
    """How a command ended.

    `exit_code` is what the shell should see: the command's own, 128+N for signal N, 126 or 127 where it did not start
    and `reason` says why. `signal` ended the command; `interrupted` is the first signal to end it that reached us.
    `peak_memory` is in bytes, and never below our own, from which the kernel counts on. `warnings` tell what is
    missing from the log or was not passed on.
    """

    exit_code: int
    started: bool = True
    signal: int | None = None
    interrupted: int | None = None
    reason: str | None = None
    peak_memory: int | None = None
    cpu_seconds: float | None = None
    warnings: tuple[str, ...] = ()


def relay(
    argv: Sequence[str],
    environ: Mapping[str, str],
    open_log: Callable[[], int],
    open_spare: Callable[[], int],
    *,
    while_running: Callable[[], None] | None = None,
) -> Ending:
    """Run `argv` to its end, from the main thread, and tell how it ended.

    `open_log` opens the log to read and append (O_RDWR | O_APPEND), the same file at each call and each time anew; we
    close what it gives. `open_spare` does so for a second file, where stderr is kept until it is copied to the log; it
    is called only where stdout and stderr go to different places and neither is a terminal. `while_running` is called
    once the command runs, with signals blocked: it must start no process.
    """
    with ExitStack() as kept, ExitStack() as given:
        log = _Log(_keep(kept, open_log()))
        # A standard stream that is closed (>&-) would lend its number to the next file we open; the log takes it.
        while _keep(kept, os.dup(log.fd)) <= 2:
            pass
        streams = _streams(log, kept, given, open_log, open_spare)
        signals = _Signals()
        kept.callback(signals.restore)
        try:
            child = _Child(_spawn(argv, environ, streams, signals.before))
        except (OSError, ValueError) as error:
            return _not_started(argv[0], error)
        given.close()
        signals.hand_on(child.pid, [stream for stream in streams if isinstance(stream, _Terminal)])
        if while_running:
            with suppress(Exception):  # what fails here fails again when it is needed; now the command is to be served
                while_running()
        _follow(child, streams)
        signals.stop()  # only then is the command reaped, so that no signal meets a stranger with its number
        faults = [log.fault, *(stream.fault for stream in streams)]
        return child.ending(signals.seen, tuple(fault for fault in faults if fault))


def _follow(child: _Child, streams: Sequence[_Terminal | _Tail]) -> None:
    poller = select.poll()
    for fd in [child.watch, *(stream.source for stream in streams if isinstance(stream, _Terminal))]:
        if fd >= 0:
            poller.register(fd, select.POLLIN)
    patient = child.watch >= 0 and all(isinstance(stream, _Terminal) for stream in streams)
    opened, ended, deadline, nap = list(streams), False, 0.0, _SHORTEST_NAP
    while not ended or (opened and time.monotonic() < deadline):
        ready = {fd for fd, _ in poller.poll(None if patient and not ended else nap * 1000)}
        if not ended and child.ended(ready):
            ended, deadline = True, time.monotonic() + _GRACE
            if child.watch >= 0:
                poller.unregister(child.watch)
        moved = sum(stream.pump(ended=ended) for stream in opened)
        if moved >= _CHUNK or (moved and ended):
            nap = 0.0
        else:
            nap = _SHORTEST_NAP if moved else min(max(nap, _SHORTEST_NAP) * 2, _LONGEST_NAP)
        for stream in [stream for stream in opened if stream.closed]:
            opened.remove(stream)
            if isinstance(stream, _Terminal):
                poller.unregister(stream.source)
    for stream in opened:  # what the command left behind could write for ever: what is there now is passed on
        rest = stream.backlog()
        while rest > 0 and (moved := stream.pump(ended=True)):
            rest -= moved


# What the command writes to, and where it is passed on


def _streams(
    log: _Log, kept: ExitStack, given: ExitStack, open_log: Callable[[], int], open_spare: Callable[[], int]
) -> list[_Terminal | _Tail]:
    # A stream that is the log itself was closed, and stays closed; following it to itself would never end.
    fds = [fd for fd in (1, 2) if _identity(fd) != _identity(log.fd)]
    together = len(fds) == 2 and _identity(1) == _identity(2)
    streams: list[_Terminal | _Tail] = []
    for group in [fds] if together else [[fd] for fd in fds]:
        if os.isatty(group[0]):
            try:
                master, slave = os.openpty()
            except OSError as error:  # a sandbox, or all are taken: the command gets the terminal itself
                log.fault = f"the log has no output, as there is no pseudo-terminal: {error.strerror}"
                continue
            streams.append(_Terminal(group, _keep(given, slave), _keep(kept, master), log))
        elif log.followed:
            streams.append(_Tail(group, _keep(given, open_spare()), _keep(kept, open_spare()), log))
        else:
            streams.append(_Tail(group, _keep(given, open_log()), log.fd, log))
    return streams


def _keep(stack: ExitStack, fd: int) -> int:
    stack.callback(os.close, fd)
    return fd


def _identity(fd: int) -> tuple[int, int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino, found.st_rdev


class _Log:
    """The log as we append to it; `own` are the ranges we wrote, which are not to be passed on again."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.own: deque[tuple[int, int]] = deque()
        self.followed = False
        self.fault: str | None = None

    def append(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self.fault:
            try:
                written = os.write(self.fd, view)
            except OSError as error:
                self.fault = f"the log is not whole: {error.strerror}"
                return
            if self.followed:
                end = os.lseek(self.fd, 0, os.SEEK_CUR)  # the command has a descriptor, and so an offset, of its own
                self.own.append((end - written, end))
            view = view[written:]


class _Stream:
    """What the command is given as stdout, stderr or both (`given`), and the `source` from which we pass it on.

    `pump` passes on what is there, at most a chunk, and says how many bytes; `closed` once nobody can write more.
    """

    def __init__(self, fds: Sequence[int], given: int, source: int, log: _Log) -> None:
        self.fds = fds
        self.given = given
        self.source = source
        self.log = log
        self.closed = False
        self.gone = False
        self.fault: str | None = None

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self.gone:
            try:
                view = view[os.write(self.fds[0], view) :]
            except BlockingIOError:  # whoever started us made it non-blocking, as node does
                writable = select.poll()
                writable.register(self.fds[0], select.POLLOUT)
                writable.poll()
            except OSError as error:
                # The reader left (`| head`) or the terminal closed. The command is neither stopped nor told: hours of
                # training are worth more than a pipe, and the log goes on. A hang-up reaches it as SIGHUP anyway.
                self.gone = True
                if error.errno not in (errno.EPIPE, errno.EIO):
                    self.fault = f"output was not passed on to its end: {error.strerror}"


class _Terminal(_Stream):
    """A pseudo-terminal like the terminal it stands for, for output only."""

    def __init__(self, fds: Sequence[int], given: int, source: int, log: _Log) -> None:
        import termios

        super().__init__(fds, given, source, log)
        modes = termios.tcgetattr(fds[0])
        modes[1] &= ~termios.OPOST  # the real terminal does that, to what the command really wrote
        modes[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
        termios.tcsetattr(given, termios.TCSANOW, modes)
        os.set_blocking(source, False)
        self.resize()

    def resize(self) -> None:
        import fcntl
        import termios

        with suppress(OSError):
            size = fcntl.ioctl(self.fds[0], termios.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(self.source, termios.TIOCSWINSZ, size)

    def pump(self, *, ended: bool) -> int:
        data = b""
        try:
            data = os.read(self.source, _CHUNK)
            self.closed = not data
        except OSError as error:  # EIO: nobody has it open any more
            self.closed = not isinstance(error, BlockingIOError)
        self.write(data)
        self.log.append(data)
        return len(data)

    def backlog(self) -> int:
        return _TERMINAL_BUFFER


class _Tail(_Stream):
    """A file the command appends to, followed: the log, or the spare, which is copied to the log as well."""

    def __init__(self, fds: Sequence[int], given: int, source: int, log: _Log) -> None:
        import fcntl

        super().__init__(fds, given, source, log)
        self.copied = source != log.fd
        self.offset = os.lseek(source, 0, os.SEEK_END)
        log.followed = True
        with suppress(OSError):  # where there are no locks, the command's own end is all we wait for
            # The lock lives while any process has what we gave the command: so we know when the last has let go.
            fcntl.flock(given, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def pump(self, *, ended: bool) -> int:
        closing = ended and self._let_go_by_all()
        until = os.lseek(self.source, 0, os.SEEK_END)
        own = self.log.own if not self.copied else deque()
        if until < self.offset:
            # `> /dev/stdout` and `> /dev/stderr` open the file behind the stream anew, and truncate it.
            self.fault = "the command truncated its own output, as > /dev/stdout does: part of it may be lost"
            self.offset = 0
            own.clear()
        if own:
            until = own[0][0]
            if until <= self.offset:
                moved = own[0][1] - self.offset
                self.offset = own.popleft()[1]
                return moved
        data = os.pread(self.source, min(until - self.offset, _CHUNK), self.offset)
        self.offset += len(data)
        self.closed = closing and not data
        self.write(data)
        if self.copied:
            self.log.append(data)
        return len(data)

    def backlog(self) -> int:
        return os.lseek(self.source, 0, os.SEEK_END) - self.offset

    def _let_go_by_all(self) -> bool:
        import fcntl

        try:
            fcntl.flock(self.source, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return not isinstance(error, BlockingIOError)
        return True


# The command: its start, its end, its signals


def _spawn(argv: Sequence[str], environ: Mapping[str, str], streams: Sequence[_Stream], mask: Iterable[int]) -> int:
    """Start it as execvp would, searching the PATH that it is given and not ours."""
    actions = [(os.POSIX_SPAWN_DUP2, stream.given, fd) for stream in streams for fd in stream.fds]

    def start(path: str, args: list[str]) -> int:
        # Python ignores these two for itself, and what is ignored would stay so in the command.
        defaults = [signal.SIGPIPE, signal.SIGXFSZ]
        return os.posix_spawn(path, args, environ, file_actions=actions, setsigmask=mask, setsigdef=defaults)

    name = argv[0]
    path = environ.get("PATH", os.defpath).split(os.pathsep) if name else []
    places = [name] if "/" in name else [f"{directory or '.'}/{name}" for directory in path]
    refused: OSError = FileNotFoundError(errno.ENOENT, "no such command")
    for place in filter(os.path.lexists, places):
        try:
            return start(place, list(argv))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            refused = error
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return start("/bin/sh", ["/bin/sh", place, *argv[1:]])
    raise refused


def _not_started(name: str, error: OSError | ValueError) -> Ending:
    missing = isinstance(error, FileNotFoundError)
    if missing and "/" in name and os.path.isfile(name):
        reason = f"{name!r} needs an interpreter that is not here"
    elif missing:
        reason = f"no such command: {name!r}"
    elif isinstance(error, PermissionError):
        reason = f"{name!r} is a directory" if "/" in name and os.path.isdir(name) else f"{name!r} is not executable"
    else:
        reason = f"cannot start {name!r}: {getattr(error, 'strerror', None) or error}"
    return Ending(127 if missing else 126, started=False, reason=reason)


class _Child:
    """The command's process; `watch` becomes readable when it ends, or is -1 where the system has no such thing."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.result: tuple[int, resource.struct_rusage] | None = None
        try:
            self.watch = os.pidfd_open(pid)
        except (AttributeError, OSError):
            self.watch = -1

    def ended(self, ready: Iterable[int]) -> bool:
        if self.watch >= 0:
            return self.watch in ready
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        self.result = (status, usage) if pid else None
        return bool(pid)

    def ending(self, interrupted: int | None, warnings: tuple[str, ...]) -> Ending:
        if self.watch >= 0:
            os.close(self.watch)
        status, usage = self.result or os.wait4(self.pid, 0)[1:3]
        code = os.waitstatus_to_exitcode(status)
        return Ending(
            code if code >= 0 else 128 - code,
            signal=-code if code < 0 else None,
            interrupted=interrupted,
            peak_memory=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            warnings=warnings,
        )


class _Signals:
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

    def hand_on(self, child: int, terminals: Sequence[_Terminal]) -> None:
        self.woken.acquire()
        self.done.acquire()
        self.thread = _thread.start_new_thread(self._hand_on, (child, terminals))

    def stop(self) -> None:
        if self.thread and not self.over:
            self.over = True
            signal.pthread_kill(self.thread, signal.SIGWINCH)
            self.woken.release()
            self.done.acquire()
            # Ctrl-C was there before the command died of it, but the thread may have been woken before it took it.
            for number in signal.sigpending() & self.taken:
                self._note(signal.sigwait({number}))

    def restore(self) -> None:
        self.stop()
        for number, action in self.dispositions.items():
            if action is not None:
                signal.signal(number, action)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)

    def _hand_on(self, child: int, terminals: Sequence[_Terminal]) -> None:
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
