"""Signing, and telling whether a signature is good, with the key and the program that git signs with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from typing import Any

from msgspec import Struct

from ..errors import CannotSign, CannotVerify, MlcliError
from .command import answer, find_root, readable

NAMESPACE = "mlcli"
SET_A_KEY = "git config --global gpg.format ssh; git config --global user.signingkey ~/.ssh/id_ed25519.pub"
MALFORMED = "it is no signature that can be read"
ALTERED = "it does not fit: it, or what it is over, was changed"
_LARGEST = 20_000
_SECONDS = 60.0
_AT_A_TERMINAL = 600.0
_CONFIG = r"^(gpg\..*|user\.(name|email|signingkey))$"
# What starts a program is taken from the user's and the machine's configuration, never from a repository's own.
_PROGRAMS = {"gpg.program", "gpg.openpgp.program", "gpg.ssh.program", "gpg.ssh.defaultkeycommand"}


class Signature(Struct, frozen=True, kw_only=True):
    """Whether a signature is good: `by` whom, with the `key` of that fingerprint; `reason` says why it is not."""

    good: bool
    by: str = ""
    key: str = ""
    reason: str = ""


class Ended(Struct, frozen=True):
    """How a program ended: its exit code, and what it printed and told, as text."""

    code: int
    out: str
    told: str


class Signing:
    """What git is configured to sign with, in the repository around a directory or outside of any."""

    def __init__(self, directory: str) -> None:
        self.root = find_root(directory) or os.path.realpath(directory)

    @cached_property
    def config(self) -> Mapping[str, str]:
        """What git's configuration says of signing, by keys in small letters."""
        found = {}
        fields = answer(self.root, ("config", "--show-scope", "-z", "--get-regexp", _CONFIG), ok=(0, 1)).split(b"\0")
        for scope, entry in zip(fields[::2], fields[1::2], strict=False):
            key, _, value = entry.partition(b"\n")
            name = readable(key).lower()
            if name not in _PROGRAMS or scope in {b"system", b"global"}:
                found[name] = os.fsdecode(value)
        return found

    def sign(self, message: bytes) -> str:
        """An armoured signature over `message`; CannotSign where git has no key, or its program does not sign."""
        how = self.config.get("gpg.format", "openpgp").lower()
        if how not in {"ssh", "openpgp"}:
            raise CannotSign(f"gpg.format is {readable(os.fsencode(how))}: mlcli signs with ssh or openpgp", SET_A_KEY)
        from . import openpgp, sshkeys

        try:
            return sshkeys.sign(self, message) if how == "ssh" else openpgp.sign(self, message)
        except OSError as error:
            raise CannotSign(f"what is to be signed cannot be handed over: {error.strerror}") from None

    def verify(self, message: bytes, signature: str, identity: str, *, at: datetime | None = None) -> Signature:
        """Whether `signature` is one over `message` by a key that is allowed for the address `identity`, `at` a time.

        Its own head says what kind it is. CannotVerify where nothing says which keys are allowed.
        """
        if not identity or not identity.isprintable() or not signature.isascii():
            return Signature(good=False, reason=MALFORMED if identity else "nobody is named who could have signed it")
        if len(signature) > _LARGEST:
            return Signature(good=False, reason=f"{MALFORMED}: it has {len(signature)} characters")
        from . import openpgp, sshkeys

        head = signature.partition("\n")[0].strip()
        try:
            if head == "-----BEGIN SSH SIGNATURE-----":
                return sshkeys.verify(self, message, signature, identity, at)
            if head == "-----BEGIN PGP SIGNATURE-----":
                return openpgp.verify(self, message, signature, identity)
        except OSError as error:
            raise CannotVerify(f"the signature cannot be handed over: {error.strerror}") from None
        return Signature(good=False, reason=MALFORMED)

    def path(self, value: str) -> str:
        """A path of git's configuration: '~' is a home, and a relative one counts from the repository's top."""
        return os.path.join(self.root, os.path.expanduser(value))


def started(
    argv: Sequence[str], *, failure: type[MlcliError], cwd: str, stdin: bytes = b"", asking: bool = False
) -> Ended:
    """Run a program that signs or verifies, to its end; `failure` is raised where it cannot be run.

    With `asking` it may ask for a passphrase, where we are at a terminal; otherwise it is given none to ask at.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # Only absolute entries, as for git: with "." on the PATH a repository could bring its own.
    places = [place for place in environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(place)]
    environ |= {"PATH": os.pathsep.join(places), "LC_ALL": "C"}
    program = os.path.expanduser(argv[0])
    if os.sep not in program:
        import shutil

        program = shutil.which(program, path=environ["PATH"]) or ""
    if not os.path.isabs(program):
        raise failure(f"{argv[0]} is not installed", f"install it, or name another way to sign: {SET_A_KEY}")
    if not asking:
        environ["SSH_ASKPASS_REQUIRE"] = "never"
    elif "GPG_TTY" not in environ:
        with suppress(OSError):
            environ["GPG_TTY"] = os.ttyname(0)
    given: dict[str, Any] = {"input": stdin} if stdin or not asking else {}
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            cwd=cwd,
            env=environ,
            capture_output=True,
            check=False,
            timeout=_AT_A_TERMINAL if asking else _SECONDS,
            start_new_session=not asking,
            **given,
        )
    except subprocess.TimeoutExpired:
        raise failure(f"{argv[0]} did not end in time") from None
    except (OSError, ValueError) as error:
        raise failure(f"{argv[0]} cannot be started: {getattr(error, 'strerror', None) or error}") from None
    return Ended(done.returncode, readable(done.stdout), readable(done.stderr))


def at_a_terminal() -> bool:
    """Whether somebody is there who can be asked for a passphrase."""
    return os.isatty(0)


@contextmanager
def files(contents: Mapping[str, bytes]) -> Iterator[str]:
    """A directory that nobody else can read, with these files in it, for a while."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="mlcli-") as directory:
        for name, content in contents.items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(content)
        yield directory


def no_key() -> CannotSign:
    """The error where git has no key to sign with."""
    return CannotSign("git has no key to sign with: user.signingkey is not set", SET_A_KEY)


def not_allowed(told: str) -> CannotVerify:
    """The error where nothing says which keys are allowed."""
    return CannotVerify(
        told,
        "git config gpg.ssh.allowedSignersFile .allowed_signers   whose lines are: ada@example.com ssh-ed25519 AAAA…",
    )
