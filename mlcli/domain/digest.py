"""SHA-256 and SHA-1 of what is small: documents, lists of files, source code.

hashlib brings OpenSSL with it, which takes as long to load as a thousand documents take to digest: the interpreter has
the same functions of its own. Content that is large is digested by hashlib, which is three times as fast.
"""

from __future__ import annotations

import sys
from typing import Any

LARGE = 2**20

sha256: Any
try:
    from _sha2 import sha256  # type: ignore[import-not-found, no-redef, unused-ignore]  # Python 3.12 and newer
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found, no-redef, unused-ignore]  # 3.10 and 3.11
    except ImportError:  # built without it
        from hashlib import sha256


def expect_many() -> None:
    """Let OpenSSL digest from now on, as thousands of documents pay for loading it."""
    global sha256
    try:
        from _hashlib import openssl_sha256 as fast  # as hashlib has it, without what else hashlib loads
    except ImportError:  # built without OpenSSL
        from hashlib import sha256 as fast

    sha256 = fast


def digest_of(data: bytes) -> str:
    """The digest of `data`, as sha256:<hex>."""
    return f"sha256:{sha256(data).hexdigest()}"


def for_content(size: int) -> Any:
    """What digests content of about `size` bytes, piece by piece."""
    if size < LARGE and "hashlib" not in sys.modules:
        return sha256()
    from hashlib import sha256 as fast

    return fast()


def blob_id(content: bytes, algorithm: str = "sha1") -> str:
    """The id that git gives to a file's content, in a repository of this algorithm."""
    headed = b"blob %d\0" % len(content) + content
    if algorithm == "sha256":
        return str(sha256(headed).hexdigest())
    try:
        from _sha1 import sha1  # type: ignore[import-not-found, unused-ignore]
    except ImportError:  # built without it
        from hashlib import sha1
    return str(sha1(headed, usedforsecurity=False).hexdigest())
