"""Where output goes: the log, what a stream was going to, and the terminal that stands between."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Sequence
from contextlib import suppress

CHUNK = 2**16  # what a pipe holds; a larger buffer would be mapped anew for each read
GRACE = 0.25  # seconds in which what the command left behind may still write, such as the `>(sed ...)` of a shell
_TERMINAL_BUFFER = 2**17  # more than a pseudo-terminal of Linux or macOS holds back


def identity(fd: int) -> tuple[int, int, int]:
    """What a descriptor leads to, the same for two that lead to one thing."""
    found = os.fstat(fd)
    return found.st_dev, found.st_ino, found.st_rdev


class Log:
    """The log as we append to it, and the first `fault` that cost it a part."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.fault: str | None = None

    def append(self, data: bytes) -> None:
        """Append, as far as the disk lets us: it may be full now and have room for what comes later."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.fd, view) :]
        except OSError as error:
            self.fault = self.fault or f"the log is not whole: {error.strerror}"


class Destination:
    """Where a stream was going; `gone` once it takes no more, and `fault` where that was not its reader's choice."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.gone = False
        self.fault: str | None = None

    def take(self, data: memoryview) -> int:
        """Write once; how many bytes it took. 0 where it takes none now, or is gone."""
        try:
            return os.write(self.fd, data)
        except BlockingIOError:  # whoever started us made it non-blocking, as node does
            return 0
        except OSError as error:
            self.gone = True
            if error.errno not in (errno.EPIPE, errno.EIO):
                self.fault = f"output was not passed on to its end: {error.strerror}"
            return 0

    def write(self, data: bytes) -> None:
        """Write all of it, for as long as that takes, unless the destination is or goes away."""
        rest = memoryview(data)
        while rest and not self.gone:
            if taken := self.take(rest):
                rest = rest[taken:]
            elif not self.gone:
                writable = select.poll()
                writable.register(self.fd, select.POLLOUT)
                writable.poll()


class Terminal:
    """A pseudo-terminal like the terminal it stands for, for output only; `closed` once nobody can write to it.

    Where the real terminal closes, the command is not told by its output, which goes on into the log: a hang-up
    reaches it as SIGHUP, if at all.
    """

    def __init__(self, fds: Sequence[int], given: int, source: int, log: Log) -> None:
        import termios

        self.fds = fds
        self.given = given
        self.source = source
        self.log = log
        self.destination = Destination(fds[0])
        self.closed = False
        modes = termios.tcgetattr(fds[0])
        modes[1] &= ~termios.OPOST  # the real terminal does that, to what the command really wrote
        modes[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
        termios.tcsetattr(given, termios.TCSANOW, modes)
        os.set_blocking(source, False)
        self.resize()

    def resize(self) -> None:
        """Take the size of the real terminal."""
        import fcntl
        import termios

        with suppress(OSError):
            size = fcntl.ioctl(self.fds[0], termios.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(self.source, termios.TIOCSWINSZ, size)

    def pump(self) -> int:
        """Pass on what is there, at most a chunk; how many bytes."""
        data = b""
        try:
            data = os.read(self.source, CHUNK)
            self.closed = not data
        except OSError as error:  # EIO: nobody has it open any more
            self.closed = not isinstance(error, BlockingIOError)
        self.destination.write(data)
        self.log.append(data)
        return len(data)

    def drain(self) -> None:
        """Pass on what is there now, and no more: what the command left behind could write for ever."""
        rest = _TERMINAL_BUFFER
        while rest > 0 and (moved := self.pump()):
            rest -= moved
