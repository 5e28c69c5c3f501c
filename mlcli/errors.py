"""Every way a command can fail that is not a bug: a stable code, what went wrong, and the next command."""

from __future__ import annotations

from collections.abc import Sequence


class MlcliError(Exception):
    """An expected failure, told in one line.

    `code` is stable and meant for scripts, `message` says what is wrong and names the thing, `hint` is the next
    command that would help (or None), `details` are lines below the message, `exit_code` is what the shell sees.
    """

    code = "error"
    exit_code = 3

    def __init__(self, message: str, hint: str | None = None, *, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = list(details)

    def __str__(self) -> str:
        lines = [self.message, *self.details, *([f"hint: {self.hint}"] if self.hint else [])]
        return "\n  ".join(lines)


class Refused(MlcliError):
    """The answer is no: a gate, a rule or a check said so; nothing was written."""

    code = "refused"
    exit_code = 1


class GateRefused(Refused):
    """A promotion that gates of the stage say no to; `details` has a line for each of them, with both figures."""

    code = "gate"


class UsageError(MlcliError):
    """What was typed cannot be understood."""

    code = "usage"
    exit_code = 2


class InvalidName(UsageError):
    """A model, experiment, alias, param, metric or tag name that the grammar does not allow."""

    code = "invalid-name"


class InvalidValue(UsageError):
    """A value of the wrong kind: a metric that is no number, a step that is no whole number."""

    code = "invalid-value"


class InvalidRef(UsageError):
    """A ref that no rule of the grammar matches."""

    code = "invalid-ref"


class InvalidFilter(UsageError):
    """A filter that cannot be read; the message says where and what was expected."""

    code = "invalid-filter"


class UnknownStage(UsageError):
    """A stage that does not exist."""

    code = "unknown-stage"


class InvalidSettings(UsageError):
    """A setting in pyproject.toml, mlcli.toml or the environment that cannot be used."""

    code = "invalid-settings"


class NotFound(MlcliError):
    """No run, model, version, stage or file answers to the ref."""

    code = "not-found"


class Ambiguous(MlcliError):
    """More than one thing answers to the ref; the message lists them."""

    code = "ambiguous"


class AlreadyLogged(MlcliError):
    """A param was logged before with another value."""

    code = "already-logged"


class InUse(MlcliError):
    """A thing cannot be removed while something else stands on it."""

    code = "in-use"


class NoActiveRun(MlcliError):
    """A call that belongs inside a run was made outside one, or the other way round."""

    code = "no-active-run"


class NoStore(MlcliError):
    """There is no store here yet, and the command only reads."""

    code = "no-store"


class BadStore(MlcliError):
    """`.mlruns` is there and cannot be used as a store."""

    code = "bad-store"


class NewerFormat(BadStore):
    """A document written by a newer mlcli."""

    code = "newer-format"


class Corrupt(MlcliError):
    """A document or file that is half, altered or not what its name says."""

    code = "corrupt"


class Missing(MlcliError):
    """Content that a document names is not here."""

    code = "missing"


class ReadFailed(MlcliError):
    """The system will not let a file of the store, or an input, be read: permissions, a failing disk."""

    code = "read-failed"


class WriteFailed(MlcliError):
    """The disk said no: full, read-only, failing. The store is as it was."""

    code = "write-failed"


class Locked(MlcliError):
    """A lock was not had in time; the message names its holder."""

    code = "locked"


class GitError(MlcliError):
    """Git could not answer."""

    code = "git"


class MissingPackage(MlcliError):
    """An optional package is needed and not installed."""

    code = "missing-package"


class CannotRepeat(MlcliError):
    """A run that cannot be made again from what is recorded of it."""

    code = "cannot-repeat"


class CannotLoad(MlcliError):
    """A model that cannot be loaded here."""

    code = "cannot-load"


class CannotBuild(MlcliError):
    """An environment whose Python, or a package of it, cannot be had here."""

    code = "cannot-build"


class NoNative(MlcliError):
    """What `--native` preloads cannot be had here: no Linux with glibc, no C compiler, or it cannot be loaded."""

    code = "no-native"


class CannotSign(MlcliError):
    """Git has no key to sign with, or its program did not sign."""

    code = "cannot-sign"


class CannotVerify(MlcliError):
    """Nothing says whose keys are allowed, or there is no program that could tell."""

    code = "cannot-verify"


class NotSupported(MlcliError):
    """A call of MLflow's API, or a kind of object, that mlcli does not know."""

    code = "not-supported"
