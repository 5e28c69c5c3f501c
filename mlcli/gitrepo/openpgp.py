"""Signatures with OpenPGP keys, by gpg, as git makes and verifies them."""

from __future__ import annotations

import os
import re

from ..errors import CannotSign, CannotVerify
from .command import readable
from .signing import ALTERED, MALFORMED, SET_A_KEY, Ended, Signature, Signing, at_a_terminal, files, no_key, started

_JUDGED = {"GOODSIG", "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"}
# gpg's letter for how far it trusts that a key is that person's, by gpg.minTrustLevel.
_TRUSTED = {"undefined": "-oqnmfu", "never": "-oqnmfu", "marginal": "mfu", "fully": "fu", "ultimate": "u"}
# Reading never reaches out.
_OFFLINE = ("--batch", "--no-auto-key-retrieve", "--disable-dirmngr")


def sign(signing: Signing, message: bytes) -> str:
    """A detached signature with user.signingkey, else with the key of git's user."""
    config = signing.config
    key = config.get("user.signingkey") or (f"<{config['user.email']}>" if config.get("user.email") else "")
    if not key:
        raise no_key()
    if key.startswith(("ssh-", "key::")) or key.endswith(".pub"):
        raise CannotSign("user.signingkey is an SSH key, and gpg.format is not ssh", "git config gpg.format ssh")
    asking = at_a_terminal()
    quiet = () if asking else ("--batch", "--pinentry-mode=error")
    asked = (_program(signing), "--status-fd=2", *quiet, "-bsau", key)
    ended = started(asked, failure=CannotSign, cwd=signing.root, stdin=message, asking=asking)
    if ended.code or not _statuses(ended.told, {"SIG_CREATED"}):
        raise CannotSign(f"gpg does not sign for {readable(os.fsencode(key))}: {_why(ended)}", SET_A_KEY)
    return ended.out.strip()


def verify(signing: Signing, message: bytes, signature: str, identity: str) -> Signature:
    """Whether gpg has its key, and trusts that it is the key of `identity`."""
    program = _program(signing)
    with files({"signature": f"{signature}\n".encode("ascii")}) as directory:
        asked = (program, *_OFFLINE, "--status-fd=1", "--verify", os.path.join(directory, "signature"), "-")
        ended = started(asked, failure=CannotVerify, cwd=directory, stdin=message)
    judged = _statuses(ended.out, _JUDGED)
    if len(judged) != 1:
        return Signature(good=False, reason=MALFORMED)
    word, fields = judged[0]
    if word == "BADSIG":
        return Signature(good=False, reason=ALTERED)
    if word == "ERRSIG":
        return Signature(good=False, key=fields[0], reason=f"gpg does not have the key {fields[0]}: gpg --import")
    valid = _statuses(ended.out, {"VALIDSIG"})
    key = valid[0][1][-1] if valid else fields[0]
    if word != "GOODSIG" or ended.code:
        fault = {"EXPSIG": "it has expired", "REVKEYSIG": f"the key {key} was revoked"}
        return Signature(good=False, key=key, reason=fault.get(word, f"the key {key} has expired"))
    listed = started((program, *_OFFLINE, "--with-colons", "--list-keys", key), failure=CannotVerify, cwd=signing.root)
    reason = _distrust(signing, listed, key, identity)
    return Signature(good=not reason, by="" if reason else identity, key=key, reason=reason)


def _distrust(signing: Signing, listed: Ended, key: str, identity: str) -> str:
    """Why gpg does not take a key for that of `identity`; '' where it does."""
    users = [line.split(":") for line in listed.out.splitlines() if line.startswith("uid:")]
    trusts: dict[str, str] = {}
    for fields in users:
        address = _address(fields[9])
        trusts[address] = trusts.get(address, "") + fields[1]
    if identity.casefold() not in trusts:
        return f"the key {key} is that of {', '.join(sorted(trusts)) or 'nobody'}, and not of {identity}"
    least = signing.config.get("gpg.mintrustlevel", "fully").lower()
    if not set(trusts[identity.casefold()]) & set(_TRUSTED.get(least, "fu")):
        return f"gpg does not trust that the key {key} is that of {identity}: gpg --lsign-key {key}"
    return ""


def _address(user: str) -> str:
    found = re.search(r"<([^<>]*)>\s*\Z", user)
    return (found[1] if found else user).casefold()


def _statuses(text: str, words: set[str]) -> list[tuple[str, list[str]]]:
    """Gpg's status lines of these kinds, each with its fields."""
    lines = [line.split() for line in text.splitlines() if line.startswith("[GNUPG:] ")]
    return [(line[1], line[2:]) for line in lines if line[1] in words]


def _program(signing: Signing) -> str:
    return signing.config.get("gpg.openpgp.program") or signing.config.get("gpg.program") or "gpg"


def _why(ended: Ended) -> str:
    lines = [line for line in ended.told.splitlines() if line.strip() and not line.startswith("[GNUPG:]")]
    return lines[-1].removeprefix("gpg: ") if lines else f"it gave {ended.code}"
