"""Where a Python is installed, and which packages it finds, by names of directories: asking it would cost a process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from ..domain.names import is_python


def prefix_of(program: str, environ: Mapping[str, str]) -> str:
    """Where the interpreter that `program` names is installed, which is above its `bin`; '' where it names none."""
    found = _found(program, environ)
    return os.path.dirname(os.path.dirname(found)) if found else ""


def asked_prefix(program: str, environ: Mapping[str, str]) -> str:
    """As `prefix_of`; but a shim, as pyenv's, is asked where the Python is that it stands for."""
    found = _found(program, environ)
    if os.path.basename(os.path.dirname(found)) != "shims":
        return prefix_of(program, environ)
    import subprocess

    ask = [found, "-I", "-c", "import sys; print(sys.prefix)"]
    try:
        done = subprocess.run(ask, env=dict(environ), capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _found(program: str, environ: Mapping[str, str]) -> str:
    if not is_python(program):
        return ""
    from shutil import which

    found = which(program, path=environ.get("PATH"))
    return os.path.abspath(found) if found else ""


def likely(environ: Mapping[str, str], directories: Sequence[str]) -> list[str]:
    """The programs that a shell script, make or a launcher as uv most likely starts as Python."""
    places = [environ.get("VIRTUAL_ENV"), *(f"{directory}/.venv" for directory in directories)]
    return [*(f"{place}/bin/python" for place in places if place), "python", "python3"]


def installed(prefix: str, environ: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The Python version and the packages of an installation."""
    library = _library(prefix)
    if not library:
        return "", {}
    config = _config(prefix)
    packages: dict[str, str] = {}
    for directory in _directories(prefix, library, config, environ):
        packages |= _packages_in(directory)
    version = config.get("version") or ".".join(config.get("version_info", "").split(".")[:3])
    return version or library.removeprefix("python"), dict(sorted(packages.items()))


def _library(prefix: str) -> str:
    """The name of its directory below `lib`: python3.11."""
    library = os.path.join(prefix, "lib")
    names = [name for name in _listed(library) if name.startswith(("python", "pypy"))]
    if len(names) > 1:
        names = [name for name in names if os.path.isfile(os.path.join(library, name, "os.py"))]
    if len(names) > 1:
        names = [name for name in names if name == f"python{sys.version_info[0]}.{sys.version_info[1]}"]
    return names[0] if names else ""


def _directories(prefix: str, library: str, config: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[str]:
    """Where it finds packages that pip installed; what comes later hides what came before."""
    own = os.path.join(prefix, "lib", library, "site-packages")
    if config and config.get("include-system-site-packages", "").lower() != "true":
        yield own
        return
    base = os.path.dirname(config.get("home", "")) if config else prefix
    if base == "/usr":
        yield f"/usr/local/lib/{library}/dist-packages"  # Debian's
    if base != prefix:
        yield os.path.join(base, "lib", library, "site-packages")
    home = environ.get("HOME", "")
    user = environ.get("PYTHONUSERBASE") or (os.path.join(home, ".local") if home else "")
    is_off = environ.get("PYTHONNOUSERSITE")
    users = os.path.join(user, "lib", library, "site-packages") if user and not is_off else ""
    yield from (place for place in ((users, own) if config else (own, users)) if place)


def _packages_in(directory: str) -> dict[str, str]:
    packages = {}
    for name in _listed(directory):
        stem, _, ending = name.rpartition(".")
        if ending == "dist-info":
            package, _, version = stem.partition("-")
            packages[package.lower().replace("_", "-")] = version
    return packages


def _config(prefix: str) -> dict[str, str]:
    """What a virtual environment says of itself; {} where this is none."""
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
            pairs = (line.partition("=") for line in file.read().splitlines() if "=" in line)
            return {key.strip(): value.strip() for key, _, value in pairs}
    except OSError:
        return {}


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
