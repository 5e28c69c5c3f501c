"""The machine and the interpreter that the command runs in. Of the environment's variables an allowlist only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ..domain.digest import digest_of
from ..domain.names import is_python
from ..domain.secrets import MASK, masked_text, masked_value
from ..domain.source import Environment
from . import pythons

ALLOWED = (
    "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED",
    "TOKENIZERS_PARALLELISM", "WORLD_SIZE", "RANK", "LOCAL_RANK", "SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "CI",
    "GITHUB_RUN_ID", "GITHUB_REPOSITORY", "CI_JOB_ID", "CI_PIPELINE_ID", "VIRTUAL_ENV_PROMPT", "CONDA_DEFAULT_ENV",
    "LANG", "TZ",
)  # fmt: skip
_LONGEST = 200


def noted(argv: Sequence[str], environ: Mapping[str, str], declared: Sequence[str] = ()) -> Environment:
    """The environment that the command `argv` will find; with no command, this process's own.

    The variables that are `declared` are noted, too; one that is not set as ''.
    """
    prefix = pythons.prefix_of(argv[0], environ) if argv else sys.prefix
    version, packages = pythons.installed(prefix, environ) if prefix else ("", {})
    if prefix == sys.prefix:
        version = ".".join(map(str, sys.version_info[:3]))
    variables = {name: masked_text(environ[name])[:_LONGEST] for name in ALLOWED if environ.get(name)}
    variables |= {name: _declared(name, environ.get(name, "")) for name in {*declared} - {*ALLOWED}}
    return Environment(
        python=version,
        implementation=sys.implementation.name if prefix == sys.prefix else "",
        platform=sys.platform,
        machine=os.uname().machine,
        cpus=os.cpu_count(),
        variables=dict(sorted(variables.items())),
        packages=packages,
    )


def _declared(name: str, value: str) -> str:
    """The value of a declared variable. Of a secret, or a long one, as little of a digest as shows that it changed."""
    masked = str(masked_value(name, value))
    if masked == value and len(value) <= _LONGEST:
        return value
    shown = MASK if masked != value else value[:100] + "…"
    return f"{shown} {digest_of(value.encode('utf-8', 'surrogateescape'))[:15]}"


def of_process(
    noted: Environment, prefix: str, version: str, environ: Mapping[str, str], directories: Sequence[str]
) -> Environment:
    """The environment, with the interpreter that the command turned out to run in, where it named none itself.

    Where that is none of the likely ones, where it is installed is told, so that it is found again; `directories` are
    those that may hold a virtual environment.
    """
    if noted.python or not prefix:
        return noted
    likely = {pythons.prefix_of(program, environ) for program in pythons.likely(environ, directories)}
    hidden = "" if prefix in likely else prefix
    return replace(noted, python=version, packages=pythons.installed(prefix, environ)[1], prefix=hidden)


def again(
    own: Environment, before: Environment, argv: Sequence[str], environ: Mapping[str, str], directories: Sequence[str]
) -> Environment:
    """The environment that the command will find now for one that it had before, where its words (`own`) name none."""
    if own.python or not before.python:
        return own
    programs = [program for program in (argv[0], *pythons.likely(environ, directories)) if is_python(program)]
    prefixes = [pythons.asked_prefix(program, environ) for program in programs]
    if prefixes == [pythons.prefix_of(program, environ) for program in programs]:  # else it was that of a shim
        prefixes.append(before.prefix)
    found = [pythons.installed(prefix, environ) for prefix in dict.fromkeys(prefixes) if prefix]
    now = next((each for each in found if each[1] == before.packages and is_version(each[0], before.python)), None)
    version, packages = now or next((each for each in found if each[0]), ("", {}))
    return replace(own, python=version, packages=packages)


def is_version(one: str, other: str) -> bool:
    """Whether two versions are the same as far as both are told: 3.11 and 3.11.7."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
