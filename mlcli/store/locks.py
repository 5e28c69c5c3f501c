"""Locks that the kernel drops when their holder dies, so that none is ever stale; a wait is bounded and names it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import Locked

SECONDS = 10.0
_NO_FLOCK = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}


class Held:
    """A lock that is held; a process that is forked meanwhile has it as well."""

    def __init__(self, descriptor: int, lease: Any = None) -> None:
        self.descriptor, self.lease = descriptor, lease

    def release(self) -> None:
        """Give it back."""
        if self.lease is not None:
            self.lease.release()
        os.close(self.descriptor)

    def end(self) -> None:
        """Give it back for whoever has it."""
        import fcntl

        with suppress(OSError):
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        self.release()


def take(path: str, name: str, seconds: float, *, shared: bool = False, lease: bool = True) -> Held:
    """Take the lock on the file `path`, which is made and never unlinked; Locked where it is not had in time.

    A `shared` one is had together with others that share it. Where the kernel has no locks a `lease` stands for one.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            try:
                flock(descriptor, name, seconds, shared=shared)
                held = None
            except OSError as error:
                if error.errno not in _NO_FLOCK or not lease:
                    raise
                held = _lease(path, name, seconds)
            if is_named(descriptor, path):
                if not shared:  # a line, so that what a longer one leaves behind it does not matter
                    os.pwrite(descriptor, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
                return Held(descriptor, held)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # .cache was deleted while we waited: the name now belongs to another file


def wait(path: str, name: str, waiting: Callable[[str], None]) -> Held | None:
    """Take the lock on the file `path` as soon as it is given back; None where the kernel has no locks for it.

    Where it is not had at once, `waiting` is told who holds it.
    """
    seconds = 0.0
    while True:
        try:
            return take(path, name, seconds, lease=False)
        except OSError as error:
            if error.errno not in _NO_FLOCK:
                raise
            return None
        except Locked as locked:
            if not seconds:
                waiting(locked.message)
            seconds = SECONDS


def flock(descriptor: int, name: str, seconds: float, *, shared: bool = False) -> None:
    """Take the kernel's lock on an open file; Locked, naming the holder, where it is not had in time."""
    import fcntl

    deadline, wait = time.monotonic() + seconds, 0.001
    while True:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Locked(
                    f"{name} is locked by {_holder(descriptor)} for more than {seconds:g} seconds",
                    "wait for it to end, then run the command again",
                ) from None
            time.sleep(wait)
            wait = min(wait * 2, 0.05)
        else:
            return


def share(descriptor: int, name: str, seconds: float) -> None:
    """Take the kernel's lock on an open file together with others, where the kernel has locks for it."""
    try:
        flock(descriptor, name, seconds, shared=True)
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise


def _lease(path: str, name: str, seconds: float) -> Any:
    # Importing filelock costs more than a whole document write, so it is asked only where the kernel has no flock.
    from filelock import SoftFileLock, Timeout

    lease = SoftFileLock(f"{path}.lease", timeout=seconds)
    try:
        lease.acquire()
    except Timeout:
        raise Locked(f"{name} is locked for more than {seconds:g} seconds", "mlcli doctor") from None
    return lease


def is_free(descriptor: int) -> bool:
    """Whether nobody else holds the kernel's lock on an open file; it is taken, and held until the file is closed."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise
    return True


def is_named(descriptor: int, path: str) -> bool:
    """Whether an open file is the one that is called so now."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode(errors="replace").split("\n")[0] or "another process"
