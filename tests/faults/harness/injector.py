"""The Python side of inject.c: build it, and tell it what is to go wrong."""

from __future__ import annotations

import ctypes
import errno
import mmap
import subprocess
from enum import IntEnum, IntFlag
from pathlib import Path

from msgspec import Struct

SOURCE = Path(__file__).parent / "inject.c"


class Kind(IntFlag):
    """Kinds of file calls, as inject.c has them."""

    CREATE = 1
    WRITE = 2
    SYNC = 4
    RENAME = 8
    LINK = 16
    UNLINK = 32
    MKDIR = 64
    TRUNCATE = 128
    LOCK = 256
    MODE = 512
    OPEN = 1024
    READ = 2048
    MAPPED = 4096
    ALLOCATE = 8192


class Mode(IntEnum):
    """What goes wrong at the call, as inject.c has it."""

    NOTHING = 0
    KILL_BEFORE = 1
    KILL_AFTER = 2
    TORN = 3
    ERROR_ONCE = 4
    ERROR_FROM = 5
    SHORT = 6
    FULL = 7
    LIE = 8


NAMES = Kind.CREATE | Kind.RENAME | Kind.LINK | Kind.MKDIR
CHANGES = NAMES | Kind.WRITE | Kind.SYNC | Kind.UNLINK | Kind.TRUNCATE | Kind.ALLOCATE | Kind.LOCK | Kind.MODE
READS = Kind.OPEN | Kind.READ
# What a file system may answer each error to.
ANSWERS = {
    errno.ENOSPC: NAMES | Kind.WRITE | Kind.SYNC | Kind.ALLOCATE,
    errno.EDQUOT: NAMES | Kind.WRITE | Kind.SYNC | Kind.ALLOCATE,
    errno.EIO: (CHANGES | READS) & ~Kind.LOCK,
    errno.EROFS: NAMES | Kind.WRITE | Kind.UNLINK | Kind.TRUNCATE | Kind.ALLOCATE | Kind.MODE,
    errno.EACCES: NAMES | Kind.UNLINK | Kind.OPEN | Kind.MODE,
    errno.EMFILE: Kind.CREATE | Kind.OPEN,
    errno.EINTR: Kind.CREATE | Kind.WRITE | Kind.SYNC | Kind.TRUNCATE | Kind.LOCK | Kind.OPEN | Kind.READ,
    errno.EEXIST: Kind.LINK | Kind.MKDIR | Kind.CREATE,
    errno.ENOENT: Kind.RENAME | Kind.UNLINK,
    errno.EPERM: Kind.LINK,
    errno.ENOLCK: Kind.LOCK,
    errno.EXDEV: Kind.RENAME,
}


class Fault(Struct, frozen=True, kw_only=True):
    """What goes wrong, and at which calls it may."""

    mode: Mode
    kinds: Kind
    error: int = 0

    @property
    def kills(self) -> bool:
        """Whether the process is gone afterwards."""
        return self.mode in {Mode.KILL_BEFORE, Mode.KILL_AFTER, Mode.TORN}


def fault_of(name: str) -> Fault:
    """The fault of that name: 'kill', 'after', 'torn', 'short', 'full', or or with an error: once, from, lie, fsync."""
    what, _, code = name.partition(" ")
    error = getattr(errno, code or "ENOSPC")
    answers = ANSWERS[error]
    return {
        "kill": Fault(mode=Mode.KILL_BEFORE, kinds=CHANGES | Kind.MAPPED),
        "after": Fault(mode=Mode.KILL_AFTER, kinds=CHANGES | Kind.MAPPED),
        "torn": Fault(mode=Mode.TORN, kinds=Kind.WRITE | Kind.MAPPED),
        "short": Fault(mode=Mode.SHORT, kinds=Kind.WRITE, error=errno.ENOSPC),
        "full": Fault(mode=Mode.FULL, kinds=Kind.WRITE, error=errno.ENOSPC),
        "fsync": Fault(mode=Mode.ERROR_ONCE, kinds=Kind.SYNC, error=error),
        "once": Fault(mode=Mode.ERROR_ONCE, kinds=answers, error=error),
        "from": Fault(mode=Mode.ERROR_FROM, kinds=answers, error=error),
        # What was done and is told as failed: a reply that a network file system lost.
        "lie": Fault(mode=Mode.LIE, kinds=answers & ~(READS | Kind.LOCK), error=error),
    }[what]


class State(ctypes.Structure):
    """`struct state` of inject.c, field by field."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in (
            "calls", "fired", "at", "mode", "error", "kinds", "after", "failing", "jitter_us",
            "clock_ns", "clock_step_ns", "clock_offset_ns", "log_fd",
        )),
        ("root", ctypes.c_char * 4096),
    )  # fmt: skip
    calls: int
    fired: int
    at: int
    mode: int
    error: int
    kinds: int
    after: int
    failing: int
    jitter_us: int
    clock_ns: int
    clock_step_ns: int
    clock_offset_ns: int
    log_fd: int
    root: bytes

    @classmethod
    def shared(cls, root: Path, kinds: Kind = CHANGES) -> State:
        """A state that a child forked later shares with us; nothing goes wrong yet."""
        state = cls.from_buffer(mmap.mmap(-1, ctypes.sizeof(cls)))
        state.root, state.kinds, state.log_fd = str(root).encode(), kinds, -1
        return state

    def arm(self, fault: Fault, at: int) -> None:
        """Let `fault` strike at the call of that number, counted from 1."""
        self.calls = self.fired = self.failing = 0
        self.mode, self.error, self.at = fault.mode, fault.error, at
        self.kinds, self.after = fault.kinds, ANSWERS.get(fault.error, Kind(0))

    def relent(self) -> None:
        """Let nothing go wrong from now on."""
        self.mode, self.failing = Mode.NOTHING, 0

    def freeze_clock(self, nanoseconds: int, step: int = 1000) -> None:
        """Let the time of day stand still, but for `step` nanoseconds a question: then every run makes the same calls."""
        self.clock_ns, self.clock_step_ns = nanoseconds, step

    def use(self) -> None:
        """Let the injector in this process obey this state, to its end."""
        _in_use.append(self)
        _injector().fault_use(ctypes.byref(self))


_in_use: list[State] = []


def note(text: str) -> None:
    """Put a line of our own into the trace."""
    _injector().fault_note(text.encode())


def is_loaded() -> bool:
    """Whether inject.c was preloaded into this process."""
    return hasattr(ctypes.CDLL(None), "fault_use")


def _injector() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def built(directory: Path) -> Path:
    """inject.c, compiled into `directory`."""
    library = directory / "inject.so"
    command = ["cc", "-O1", "-Wall", "-Wextra", "-Wno-unused-value", "-Werror", "-shared", "-fPIC", "-fno-builtin"]
    subprocess.run([*command, "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library
