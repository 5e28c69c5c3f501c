"""What a system call's error means, in words, and what to do about it."""

from __future__ import annotations

import errno

_SAID = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would pass a size limit",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EIO: "the disk reports an error",
    errno.EMFILE: "too many files are open",
    errno.ELOOP: "it is a symbolic link",
    errno.ENOTDIR: "a part of the path is not a directory",
    errno.EISDIR: "it is a directory",
    errno.ENAMETOOLONG: "the name is too long",
}
_HINTS = {
    errno.ENOSPC: "free some space and run the command again; the store is as it was",
    errno.EDQUOT: "free some space and run the command again; the store is as it was",
    errno.EROFS: "reading commands still work; to write, make the directory writable",
    errno.EACCES: "reading commands still work; to write, make the directory writable",
    errno.ELOOP: "mlcli follows no link inside a store: mlcli doctor",
}


def reason(error: OSError) -> str:
    """What went wrong, in words."""
    return _SAID.get(error.errno or 0, error.strerror or str(error))


def hint(error: OSError) -> str:
    """What to do about it."""
    return _HINTS.get(error.errno or 0, "mlcli doctor")
