"""SHA-256 of a document.

Documents are small, and hashlib brings OpenSSL with it, which takes as long to load as a thousand of them take to
digest: the interpreter has the same function of its own. Content, which may be large, is digested by hashlib.
"""

from __future__ import annotations

from typing import Any

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
    from hashlib import sha256 as fast

    sha256 = fast


def digest_of(data: bytes) -> str:
    """The digest of `data`, as sha256:<hex>."""
    return f"sha256:{sha256(data).hexdigest()}"
