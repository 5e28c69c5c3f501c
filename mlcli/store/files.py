"""The only hand that writes under `.mlruns/`: whole files or none, durable before it answers.

Nothing is changed in place. A file is created if absent (temporary file, fsync, link), replaced (temporary file, fsync,
rename) or appended to by one write under a lock; then its directory is synced, and the parent of each directory made.
Readers take no lock and need no writable directory.
"""

from __future__ import annotations

import errno
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import BadStore, Corrupt, ReadFailed, WriteFailed
from . import layout, locks
from .faults import hint, reason

MAX_DOCUMENT = 64 * 2**20
_MANY = 16
_NO_ALLOCATION = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


class Files:
    """Files below one root, named by paths relative to it with '/' between their parts."""

    def __init__(self, root: str, *, sync: bool = True, lock_seconds: float = locks.SECONDS) -> None:
        self.root = root
        self.sync = sync
        self.lock_seconds = lock_seconds
        self._no_links: set[str] = set()
        self._settled: set[str] = set()

    # Reading

    def path(self, name: str) -> str:
        """Where `name` lies."""
        return f"{self.root}/{name}"

    def read(self, name: str) -> bytes:
        """The content of a regular file; FileNotFoundError where there is none, Corrupt where it is something else."""
        try:  # as `Reading` does, for which a thousand documents would pay a millisecond
            descriptor, size = self._opened(name)
            try:
                if size > MAX_DOCUMENT:
                    raise Corrupt(f".mlruns/{name} has {size} bytes; a document has at most {MAX_DOCUMENT}")
                return read_all(descriptor, size)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise_unread(name, error)
            raise

    def _opened(self, name: str) -> tuple[int, int]:
        """A descriptor of a regular file, and its size."""
        try:
            descriptor = os.open(self.path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise Corrupt(f".mlruns/{name} is a symbolic link", "mlcli doctor") from None
            raise
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise Corrupt(f".mlruns/{name} is not a file", "mlcli doctor")
        return descriptor, found.st_size

    def names(self, directory: str) -> list[str]:
        """The names in a directory, unsorted; none where it does not exist."""
        try:
            with Reading(directory):
                return os.listdir(self.path(directory))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def exists(self, name: str) -> bool:
        """Whether something lies there, a broken link too."""
        return os.path.lexists(self.path(name))

    # Writing

    def create(self, name: str, data: bytes) -> bool:
        """Put a new file there, whole; False where the name is taken."""
        with self.writing(name):
            temporary = self._temporary(data)
            return self._publish(temporary, name)

    def replace(self, name: str, data: bytes) -> None:
        """Put a file there, whole, in place of the one that was."""
        with self.writing(name):
            self._make_directory(os.path.dirname(name))
            temporary = self._temporary(data)
            try:
                self.install(temporary, name)
            except BaseException:
                _unlink(temporary)
                raise

    def note(self, name: str, data: bytes) -> None:
        """Write a small file in place that may be lost with the machine; that it could not be is no trouble."""
        with suppress(OSError), open(self.path(name), "wb") as file:
            file.write(data)

    def derive(self, name: str, data: bytes) -> None:
        """Put a file there, whole, that can be made again: nothing waits for the disk, and no trouble is told."""
        with suppress(OSError, BadStore):
            self._make_directory(os.path.dirname(name), sync=False)
            self._make_directory(layout.TEMPORARY, sync=False)
            path, descriptor = self._new_temporary()
            try:
                write_all(descriptor, data)
                os.replace(path, self.path(name))
            except BaseException:
                _unlink(path)
                raise
            finally:
                os.close(descriptor)

    def appender(self, name: str) -> Appender:
        """Open a file to append whole lines to; a tail torn by a crash is ended first."""
        with self.writing(name):
            while True:
                descriptor = self._append_descriptor(name)
                try:
                    # Shared as long as it is appended to, so that nobody puts another file in its place meanwhile.
                    locks.share(descriptor, name, self.lock_seconds)
                    if locks.is_named(descriptor, self.path(name)):
                        break
                    os.close(descriptor)
                except BaseException:
                    os.close(descriptor)
                    raise
            try:
                size = os.fstat(descriptor).st_size
                # What another writer is in the middle of looks torn, too; a line end too many harms nobody.
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    os.write(descriptor, b"\n")
            except BaseException:
                os.close(descriptor)
                raise
            return Appender(self, name, descriptor)

    def append(self, name: str, lines: bytes) -> None:
        """Add whole lines by one write."""
        appender = self.appender(name)
        try:
            appender.add(lines)
            appender.settle()
        finally:
            appender.close()

    def checksum(self, name: str, most: int | None = None) -> tuple[int, int]:
        """A file's size and the CRC-32 of its content, or of no more than its beginning; (0, 0) where there is none."""
        size = crc = 0
        with Reading(name):
            try:
                descriptor = os.open(self.path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                return 0, 0
            try:
                while part := os.read(descriptor, 2**20 if most is None else min(2**20, most - size)):
                    size, crc = size + len(part), zlib.crc32(part, crc)
            finally:
                os.close(descriptor)
        return size, crc

    def chunks(self, name: str, size: int) -> Iterator[bytes]:
        """A file's content, by whole lines of about `size` bytes together; nothing where there is no such file."""
        left = b""
        for part in self.blocks(name, size):
            whole, newline, rest = (left + part).rpartition(b"\n")
            if newline:
                yield whole
            left = rest
        if left:
            yield left

    def blocks(self, name: str, size: int) -> Iterator[bytes]:
        """A file's content, `size` bytes at a time; nothing where there is no such file."""
        with Reading(name):
            try:
                descriptor, _ = self._opened(name)
            except FileNotFoundError:
                return
            try:
                while block := read_all(descriptor, size):
                    yield block
            finally:
                os.close(descriptor)

    def settle(self, name: str) -> None:
        """Make what was appended to `name`, and that name in its directory, durable; nothing where there is no file."""
        if not self.sync or not self.exists(name):
            return
        with self.writing(name):
            descriptor = os.open(self.path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                self.settle_open(descriptor, name)
            finally:
                os.close(descriptor)

    def settle_open(self, descriptor: int, name: str) -> None:
        """Make an open file durable, with its name and its directory's."""
        if not self.sync:
            return
        with self.writing(name):
            os.fsync(descriptor)
            for each in (name, os.path.dirname(name)):
                if each not in self._settled:
                    self._sync_directory(os.path.dirname(each))
                    self._settled.add(each)

    def mapped(self, name: str) -> Mapped:
        """A new file that is written through memory, and locked as long as it is."""
        with self.writing(name):
            self._make_directory(os.path.dirname(name))
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self.path(name), flags, 0o666)
            try:
                locks.share(descriptor, name, self.lock_seconds)
            except BaseException:
                os.close(descriptor)
                raise
            return Mapped(self, name, descriptor)

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Keep others from writing to a file, which is made if need be; whether nobody was writing to it."""
        with self.writing(name):
            descriptor = self._append_descriptor(name)
        try:
            yield locks.is_free(descriptor)
        finally:
            os.close(descriptor)

    def link_new(self, source: str, name: str) -> bool:
        """Give a file a second name in a directory that is made; False where it is taken or there are no links."""
        try:
            os.link(f"{self.root}/{source}", f"{self.root}/{name}", follow_symlinks=False)
        except OSError as error:
            if error.errno != errno.EEXIST and error.errno not in _NO_LINKS:
                raise self.failed(name, error) from error
            return False
        return True

    def settle_all(self, names: list[str]) -> None:
        """Make files or directories durable; many by one call that makes all of the file system so."""
        if not self.sync or not names:
            return
        with self.writing(os.path.commonpath(names)):
            if len(names) > _MANY and self._sync_all():
                return
            for name in names:
                descriptor = os.open(self.path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def _sync_all(self) -> bool:
        import ctypes

        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            return False
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if syncfs(descriptor):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        finally:
            os.close(descriptor)
        return True

    def gather(self, parts: Iterable[bytes], mode: int = 0o666) -> tuple[str, int, int]:
        """Write parts to a new temporary file, durable; its path, size and the CRC-32 of all of it."""
        with self.writing(layout.TEMPORARY):
            self._make_directory(layout.TEMPORARY)
            path, descriptor = self._new_temporary(mode)
            size = crc = 0
            try:
                for part in parts:
                    write_all(descriptor, part)
                    size, crc = size + len(part), zlib.crc32(part, crc)
                self._sync(descriptor)
            except BaseException:
                _unlink(path)
                raise
            finally:
                os.close(descriptor)
            return path, size, crc

    def install(self, temporary: str, name: str) -> None:
        """Give a finished temporary file of this store its name, in place of what was there."""
        with self.writing(name):
            os.replace(temporary, self.path(name))
            self._sync_directory(os.path.dirname(name))

    def log_descriptor(self, name: str) -> int:
        """A descriptor to append to and read from, for a command's output; the caller closes it."""
        with self.writing(name):
            return self._append_descriptor(name)

    def adopt(self, temporary: str, name: str) -> bool:
        """Give a finished temporary file of this store its name; False where the name is taken."""
        with self.writing(name):
            return self._publish(temporary, name)

    def link(self, source: str, name: str) -> None:
        """Let `name` reach the content of `source`: a hard link, or a copy where the file system has none.

        It is not made durable: what a power loss took is made again from its source.
        """
        with self.writing(name):
            self._make_directory(os.path.dirname(name), sync=False)
            temporary = self.temporary_path()
            try:
                os.link(self.path(source), temporary, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._copy(source, temporary)
            try:
                os.replace(temporary, self.path(name))
            finally:
                _unlink(temporary)  # rename of two links to one file does nothing: the temporary name stays

    def move(self, name: str, target: str) -> bool:
        """Rename a file or directory; False where it is not there. What goes to the trash is stamped with the time."""
        with self.writing(name):
            self._make_directory(os.path.dirname(target))
            try:
                if target.startswith(f"{layout.TRASH}/"):
                    os.utime(self.path(name), ns=(time.time_ns(),) * 2, follow_symlinks=False)
                os.rename(self.path(name), self.path(target))
            except FileNotFoundError:
                return False
            self._sync_directory(os.path.dirname(target))
            self._sync_directory(os.path.dirname(name))
            return True

    def forget(self, name: str) -> None:
        """Remove a derived file."""
        _unlink(self.path(name))

    def delete(self, name: str) -> None:
        """Remove a file, or a directory with all that is in it, for good; nothing where it is not there."""
        path = self.path(name)
        with self.writing(name), suppress(FileNotFoundError):
            if os.path.isdir(path) and not os.path.islink(path):
                from shutil import rmtree

                rmtree(path)
            else:
                os.unlink(path)

    def make_directory(self, name: str, *, sync: bool = True) -> None:
        """Make a directory and its parents; not `sync`: they need not be durable yet."""
        with self.writing(name):
            self._make_directory(name, sync=sync)

    def temporary_path(self) -> str:
        """A path for a new temporary file, on the same file system."""
        with self.writing(layout.TEMPORARY):
            self._make_directory(layout.TEMPORARY)
            return f"{self.root}/{layout.TEMPORARY}/{os.getpid()}-{os.urandom(16).hex()}"

    def sync_file(self, descriptor: int) -> None:
        """Make a finished temporary file durable, before it is given its name."""
        self._sync(descriptor)

    @contextmanager
    def lock(self, name: str, *, shared: bool = False) -> Iterator[None]:
        """Hold the lock of that name, alone or `shared`; Locked, naming the holder, where it is not had in time."""
        path = layout.lock(name)
        with self.writing(path):
            self._make_directory(layout.LOCKS)
            held = locks.take(self.path(path), name, self.lock_seconds, shared=shared)
        try:
            yield
        finally:
            held.release()

    @contextmanager
    def turn(self, name: str, waiting: Callable[[str], None]) -> Iterator[None]:
        """Hold the lock of that name, however long it takes; `waiting` is told who has it if it is not had at once."""
        path = layout.lock(name)
        with self.writing(path):
            self._make_directory(layout.LOCKS)
            held = locks.wait(self.path(path), name, waiting)
        try:
            yield
        finally:
            if held is not None:
                held.end()

    @contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Tell any OSError within as WriteFailed, naming the file."""
        try:
            self._refuse_links(os.path.dirname(name))
            yield
        except OSError as error:
            raise self.failed(name, error) from error

    def failed(self, name: str, error: OSError) -> WriteFailed:
        """An OSError as WriteFailed, naming the file."""
        return WriteFailed(f"cannot write .mlruns/{name}: {reason(error)}", hint(error))

    def _temporary(self, data: bytes) -> str:
        self._make_directory(layout.TEMPORARY)
        path, descriptor = self._new_temporary()
        try:
            write_all(descriptor, data)
            self._sync(descriptor)
        except BaseException:
            _unlink(path)
            raise
        finally:
            os.close(descriptor)
        return path

    def _new_temporary(self, mode: int = 0o666) -> tuple[str, int]:
        path = f"{self.root}/{layout.TEMPORARY}/{os.getpid()}-{os.urandom(16).hex()}"
        return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)

    def _publish(self, temporary: str, name: str) -> bool:
        directory = os.path.dirname(name)
        try:
            self._make_directory(directory)
            try:
                os.link(temporary, self.path(name), follow_symlinks=False)
            except OSError as error:
                # A lost reply of a network file system makes our own link look failed: the link count knows better.
                if os.stat(temporary).st_nlink != 2:
                    if error.errno == errno.EEXIST:
                        return False
                    if error.errno not in _NO_LINKS:
                        raise
                    with self.lock("no-hard-links"):
                        if self.exists(name):
                            return False
                        os.rename(temporary, self.path(name))
        finally:
            _unlink(temporary)
        self._sync_directory(directory)
        return True

    def _append_descriptor(self, name: str) -> int:
        # What is appended is made durable by settling, and so is its name.
        self._make_directory(os.path.dirname(name), sync=False)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self.path(name), flags, 0o666)

    def _copy(self, source: str, target: str) -> None:
        reading = os.open(self.path(source), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
            try:
                while part := os.read(reading, 2**20):
                    write_all(writing, part)
                self._sync(writing)
            finally:
                os.close(writing)
        finally:
            os.close(reading)

    def _make_directory(self, name: str, *, sync: bool = True) -> None:
        path = self.path(name) if name else self.root
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            if path != self.root:
                self._make_directory(os.path.dirname(name), sync=sync)
            try:
                os.mkdir(path)
            except FileExistsError:
                return
            if sync:
                self._sync_path(os.path.dirname(path))
            return
        if stat.S_ISLNK(mode):
            raise _is_link(path)
        self._refuse_links(os.path.dirname(name))

    def _refuse_links(self, directory: str) -> None:
        """BadStore where a part of the way to a directory is a link, which could lead out of the store."""
        here = directory
        while here and here not in self._no_links:
            if os.path.islink(self.path(here)):
                raise _is_link(self.path(here))
            here = os.path.dirname(here)
        if os.path.isdir(self.path(directory)):
            self._no_links.add(directory)

    def _sync(self, descriptor: int) -> None:
        if self.sync:
            os.fsync(descriptor)

    def _sync_directory(self, name: str) -> None:
        self._sync_path(self.path(name) if name else self.root)

    def _sync_path(self, path: str) -> None:
        if not self.sync:
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Appender:
    """Appends whole lines to one file, each batch by one write."""

    def __init__(self, files: Files, name: str, descriptor: int) -> None:
        self.files, self.name, self.descriptor = files, name, descriptor

    def add(self, lines: bytes) -> None:
        """Hand lines to the kernel; WriteFailed, with nothing left half-written, where it takes them not."""
        try:
            written = os.write(self.descriptor, lines)
        except OSError as error:
            raise self.files.failed(self.name, error) from error
        if written != len(lines):
            raise self._undone(written)

    def settle(self) -> None:
        """Make what was added durable; to be called about once a second."""
        self.files.settle_open(self.descriptor, self.name)

    def close(self) -> None:
        """Let go of the file; what was added is not durable yet."""
        os.close(self.descriptor)

    def _undone(self, written: int) -> WriteFailed:
        # Others may append at the same time: what is half-written is taken back only where nobody else can.
        with self.files.writing(self.name):
            end = os.lseek(self.descriptor, 0, os.SEEK_CUR)
            if locks.is_free(self.descriptor) and os.fstat(self.descriptor).st_size == end:
                os.ftruncate(self.descriptor, end - written)
            else:
                os.write(self.descriptor, b"\n")
            locks.share(self.descriptor, self.name, self.files.lock_seconds)
        return self.files.failed(self.name, OSError(errno.ENOSPC, "short write"))


class Mapped:
    """A file that grows by segments of zeros, the last of which lies in memory."""

    SEGMENT = 2**18

    def __init__(self, files: Files, name: str, descriptor: int) -> None:
        self.files, self.name, self.descriptor = files, name, descriptor
        self.size = 0

    def grow(self) -> Any:
        """Another segment, as an mmap; WriteFailed where the disk has no room for it, and never later."""
        from mmap import mmap

        with self.files.writing(self.name):
            self._allocate()
            self.size += self.SEGMENT
            return mmap(self.descriptor, self.SEGMENT, offset=self.size - self.SEGMENT)

    def _allocate(self) -> None:
        # A mapped page that the disk has no room for would end the training by a signal, not by an error.
        try:
            os.posix_fallocate(self.descriptor, self.size, self.SEGMENT)
        except AttributeError:  # macOS
            os.pwrite(self.descriptor, bytes(self.SEGMENT), self.size)
        except OSError as error:
            if error.errno not in _NO_ALLOCATION:
                raise
            os.pwrite(self.descriptor, bytes(self.SEGMENT), self.size)

    def settle(self) -> None:
        """Make what was written durable, whatever its segment."""
        self.files.settle_open(self.descriptor, self.name)

    def close(self) -> None:
        """Let go of the file; what was written is not durable yet."""
        os.close(self.descriptor)


class Reading:
    """Tells any OSError within as ReadFailed, naming the file, but that there is none."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise_unread(self.name, error)


def raise_unread(name: str, error: OSError) -> None:
    """Raise the error as ReadFailed, naming the file, but where it says that there is none."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise ReadFailed(f"cannot read .mlruns/{name}: {reason(error)}", "mlcli doctor") from error


def read_all(descriptor: int, size: int) -> bytes:
    """The next `size` bytes, fewer only at the file's end."""
    data = os.read(descriptor, size)
    while 0 < len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of `data`, in as many calls as it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _is_link(path: str) -> BadStore:
    return BadStore(f"{path} is a symbolic link, and mlcli follows no link inside a store", "mlcli doctor")


def _unlink(path: str) -> None:
    with suppress(OSError):  # it was moved to its place, or it is swept with the other temporary files
        os.unlink(path)
