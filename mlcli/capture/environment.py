"""The machine and the interpreter that the command runs in. Of the environment's variables an allowlist only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ..domain.secrets import MASK, masked_text, masked_value
from ..domain.source import Environment

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
    prefix = _prefix_of(argv[0], environ) if argv else sys.prefix
    version, packages = _installed(prefix) if prefix else ("", {})
    if prefix == sys.prefix:
        version = ".".join(map(str, sys.version_info[:3]))
    return Environment(
        python=version,
        implementation=sys.implementation.name if prefix == sys.prefix else "",
        platform=sys.platform,
        machine=os.uname().machine,
        cpus=os.cpu_count(),
        variables={name: masked_text(environ[name])[:_LONGEST] for name in ALLOWED if environ.get(name)}
        | {name: _declared(name, environ.get(name, "")) for name in sorted(set(declared) - set(ALLOWED))},
        packages=packages,
    )


def _declared(name: str, value: str) -> str:
    """The value of a declared variable. Of a secret, or a long one, as little of a digest as shows that it changed."""
    masked = str(masked_value(name, value))
    if masked == value and len(value) <= _LONGEST:
        return value
    from hashlib import sha256

    shown = MASK if masked != value else value[:100] + "…"
    return f"{shown} sha256:{sha256(value.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def of_process(noted: Environment, prefix: str, version: str) -> Environment:
    """The environment, with the interpreter that the command turned out to run in, where it named none itself."""
    if noted.python or not prefix:
        return noted
    return replace(noted, python=version, packages=_installed(prefix)[1])


def _prefix_of(program: str, environ: Mapping[str, str]) -> str:
    """Where the interpreter that `program` names is installed; '' where it names none.

    Asking it would cost a process: the directory above its `bin` tells the same.
    """
    if not os.path.basename(program).startswith(("python", "pypy")):
        return ""
    from shutil import which

    found = which(program, path=environ.get("PATH"))
    return os.path.dirname(os.path.dirname(os.path.abspath(found))) if found else ""


def _installed(prefix: str) -> tuple[str, dict[str, str]]:
    """The Python version and the packages of an installation, from the names of its directories."""
    library = os.path.join(prefix, "lib")
    names = [name for name in _listed(library) if name.startswith(("python", "pypy"))]
    if len(names) != 1:
        names = [name for name in names if name == f"python{sys.version_info[0]}.{sys.version_info[1]}"]
    if not names:
        return "", {}
    packages = {}
    for name in _listed(os.path.join(library, names[0], "site-packages")):
        stem, _, ending = name.rpartition(".")
        if ending == "dist-info":
            package, _, version = stem.partition("-")
            packages[package.lower().replace("_", "-")] = version
    return _venv_version(prefix) or names[0].removeprefix("python"), dict(sorted(packages.items()))


def _venv_version(prefix: str) -> str:
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
            lines = dict(line.split(" = ", 1) for line in file.read().splitlines() if " = " in line)
    except OSError:
        return ""
    return lines.get("version") or ".".join(lines.get("version_info", "").split(".")[:3])


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
