"""Signatures with SSH keys, by ssh-keygen, as git makes and verifies them; their namespace is mlcli's own."""

from __future__ import annotations

import os
import re
from datetime import datetime
from fnmatch import fnmatchcase

from ..errors import CannotSign, CannotVerify
from .command import readable
from .signing import (
    ALTERED,
    MALFORMED,
    NAMESPACE,
    Ended,
    Signature,
    Signing,
    at_a_terminal,
    files,
    no_key,
    not_allowed,
    started,
)

_OLD = "ssh-keygen is older than OpenSSH 8.2, which is the first that signs"
_LITERAL = ("ssh-", "ecdsa-", "sk-")


def sign(signing: Signing, message: bytes) -> str:
    """A signature with the key that git is configured for, by its file or by the agent."""
    key = signing.config.get("user.signingkey") or _default_key(signing)
    if not key:
        raise no_key()
    literal = key.removeprefix("key::")
    is_literal = literal != key or key.startswith(_LITERAL)
    with files({"message": message, "key.pub": f"{literal}\n".encode()}) as directory:
        path = os.path.join(directory, "key.pub") if is_literal else signing.path(key)
        if not os.path.exists(path):
            raise CannotSign(f"user.signingkey names {_shown(key)}, which is not there", "ls ~/.ssh/*.pub")
        asked = (_program(signing), "-Y", "sign", "-n", NAMESPACE, "-f", path, os.path.join(directory, "message"))
        # ssh-keygen asks for a passphrase only where its standard input is the terminal, so it is given a file.
        ended = started(asked, failure=CannotSign, cwd=directory, asking=at_a_terminal())
        try:
            with open(os.path.join(directory, "message.sig"), encoding="ascii") as file:
                return file.read().strip()
        except (OSError, UnicodeDecodeError):
            raise CannotSign(
                f"{'the key of user.signingkey' if is_literal else _shown(key)} cannot be used: {_why(ended)}",
                "ssh-add   lets the agent sign with it",
            ) from None


def verify(signing: Signing, message: bytes, signature: str, identity: str, at: datetime | None) -> Signature:
    """Whether the file of allowed signers has its key for `identity`, at that time."""
    allowed = signing.config.get("gpg.ssh.allowedsignersfile")
    if not allowed:
        raise not_allowed("nothing says whose keys are allowed: gpg.ssh.allowedSignersFile is not set")
    if not os.path.isfile(signing.path(allowed)):
        raise not_allowed(f"gpg.ssh.allowedSignersFile names {_shown(allowed)}, which is not there")
    allowed = signing.path(allowed)
    revoked = _revoked(signing)
    with files({"signature": f"{signature}\n".encode("ascii")}) as directory:

        def asked(what: str, *options: str) -> Ended:
            argv = (_program(signing), "-Y", what, "-s", os.path.join(directory, "signature"), *options)
            return started(argv, failure=CannotVerify, cwd=directory, stdin=message)

        by_whom = ("-n", NAMESPACE, "-f", allowed, "-I", identity, *_when(at))
        ended = asked("verify", *by_whom, *revoked)
        if ended.code == 0:
            return Signature(good=True, by=identity, key=_fingerprint(ended))
        intact = asked("check-novalidate", "-n", NAMESPACE)
        if intact.code:
            return Signature(good=False, reason=_fault(intact))
        key = _fingerprint(intact)
        if revoked and asked("verify", *by_whom).code == 0:
            return Signature(good=False, key=key, reason=f"the key {key} was revoked")
        owners = asked("find-principals", "-f", allowed, *_when(at)).out.split()
    return Signature(good=False, key=key, reason=_refusal(key, owners, identity, ended))


def _when(at: datetime | None) -> tuple[str, ...]:
    try:
        return (f"-Overify-time={at.astimezone():%Y%m%d%H%M%S}",) if at else ()
    except (OverflowError, ValueError, OSError):  # a time at the end of the calendar
        return ()


def _refusal(key: str, owners: list[str], identity: str, ended: Ended) -> str:
    """Why a key that made the signature is not allowed for `identity`."""
    told = ended.told
    if "key has expired" in told:
        return f"the key {key} had expired"
    if "not yet valid" in told:
        return f"the key {key} was not valid yet"
    if "not permitted for use" in told:
        return f'the key {key} is not allowed for mlcli: its namespaces="…" must name mlcli'
    if owners and not any(fnmatchcase(identity, owner) for owner in owners):
        return f"the key {key} is allowed for {owners[0]}, and not for {identity}"
    return f"the key {key} is not among the allowed signers" if not owners else _why(ended)


def _fault(ended: Ended) -> str:
    """What is wrong with a signature that is not intact."""
    if "namespace" in ended.told:
        return "it was made for something else than mlcli (another namespace)"
    if "incorrect signature" in ended.told:
        return ALTERED
    if "parse" in ended.told or "armor" in ended.told:
        return MALFORMED
    return f"{MALFORMED}: {_why(ended)}"


def _program(signing: Signing) -> str:
    return signing.config.get("gpg.ssh.program") or "ssh-keygen"


def _revoked(signing: Signing) -> tuple[str, ...]:
    revoked = signing.config.get("gpg.ssh.revocationfile")
    if not revoked:
        return ()
    path = signing.path(revoked)
    if not os.path.isfile(path):
        raise CannotVerify(
            f"gpg.ssh.revocationFile names {_shown(revoked)}, which is not there", "ssh-keygen -k   makes one"
        )
    return "-r", path


def _default_key(signing: Signing) -> str | None:
    command = signing.config.get("gpg.ssh.defaultkeycommand")
    if not command:
        return None
    import shlex

    ended = started(shlex.split(command), failure=CannotSign, cwd=signing.root)
    first = ended.out.partition("\n")[0].strip()
    return first if ended.code == 0 and first.startswith(("key::", *_LITERAL)) else None


def _fingerprint(ended: Ended) -> str:
    found = re.search(r"^Good .* with \S+ key (\S+)\s*$", ended.out, re.M)
    return found[1] if found else ""


def _why(ended: Ended) -> str:
    if "unknown option -- Y" in ended.told or "illegal option -- Y" in ended.told:
        return _OLD
    if "No private key found" in ended.told:
        return "its private key is neither beside it nor with the agent"
    if "incorrect passphrase" in ended.told:
        return "it was not given its passphrase"
    lines = [line.strip() for line in ended.told.splitlines() if line.strip() and not line.startswith("Signing ")]
    # Without paths of this machine: it may be kept with a promotion.
    return re.sub(r"(?<![\w.~-])/\S*/", ".../", _shown(lines[-1])) if lines else f"ssh-keygen gave {ended.code}"


def _shown(text: str) -> str:
    return readable(os.fsencode(text))
