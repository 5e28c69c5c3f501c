"""Errors are a contract: a stable code each, a message, a hint, and an exit code that scripts may test."""

from __future__ import annotations

import pytest

from mlcli import errors
from mlcli.errors import MlcliError

ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MlcliError)]

# Scripts test these: a code may be added, and none may change.
CODES = {
    "MlcliError": ("error", 3),
    "Refused": ("refused", 1),
    "GateRefused": ("gate", 1),
    "UsageError": ("usage", 2),
    "InvalidName": ("invalid-name", 2),
    "InvalidValue": ("invalid-value", 2),
    "InvalidRef": ("invalid-ref", 2),
    "InvalidFilter": ("invalid-filter", 2),
    "UnknownStage": ("unknown-stage", 2),
    "InvalidSettings": ("invalid-settings", 2),
    "NotFound": ("not-found", 3),
    "Ambiguous": ("ambiguous", 3),
    "AlreadyLogged": ("already-logged", 3),
    "InUse": ("in-use", 3),
    "NoActiveRun": ("no-active-run", 3),
    "NoStore": ("no-store", 3),
    "BadStore": ("bad-store", 3),
    "NewerFormat": ("newer-format", 3),
    "Corrupt": ("corrupt", 3),
    "Missing": ("missing", 3),
    "ReadFailed": ("read-failed", 3),
    "WriteFailed": ("write-failed", 3),
    "Locked": ("locked", 3),
    "GitError": ("git", 3),
    "MissingPackage": ("missing-package", 3),
    "NoNative": ("no-native", 3),
    "CannotRepeat": ("cannot-repeat", 3),
    "CannotLoad": ("cannot-load", 3),
    "CannotBuild": ("cannot-build", 3),
    "CannotSign": ("cannot-sign", 3),
    "CannotVerify": ("cannot-verify", 3),
    "NotSupported": ("not-supported", 3),
}


def test_the_codes_and_exit_codes_are_those_that_scripts_know():
    assert {kind.__name__: (kind.code, kind.exit_code) for kind in ERRORS} == CODES


def test_no_two_errors_share_a_code():
    assert len({kind.code for kind in ERRORS}) == len(ERRORS)


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_says_its_code_itself_and_exits_1_2_or_3(kind: type[MlcliError]):
    assert "code" in vars(kind)
    assert kind.exit_code in {1, 2, 3}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_carries_its_message_and_hint_and_shows_both_to_whoever_prints_it(kind: type[MlcliError]):
    error = kind("what is wrong", "mlcli doctor")
    assert (error.message, error.hint) == ("what is wrong", "mlcli doctor")
    assert [str(error), str(kind("what is wrong"))] == ["what is wrong\n  hint: mlcli doctor", "what is wrong"]
