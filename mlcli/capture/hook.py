"""What a command is given so that its Pythons tell what they do: the bootstrap's directory, and the variables it reads.

The files of `bootstrap/` are copied to a cache of the user's, as Pythons of any environment import them, and as their
byte code lies beside them: where the package is installed nothing may be written.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress

from ..domain.observed import Kind

EVENTS_VARIABLE = "MLCLI_CAPTURE_DIR"
KINDS_VARIABLE = "MLCLI_CAPTURE"
VARIABLES = (EVENTS_VARIABLE, KINDS_VARIABLE)
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_ALSO = ("domain/secrets.py",)


class NoHook(Exception):
    """The bootstrap cannot be put where a Python finds it; the message says why."""


def installed(cache: str) -> str:
    """The directory with the bootstrap, made where it is not there; NoHook where it cannot be."""
    sources = _sources()
    stamps = [(name, told.st_size, told.st_mtime_ns) for name, told in ((n, os.stat(p)) for n, p in sources.items())]
    directory = os.path.join(cache, f"hook-{_key(stamps)}")
    if os.pathsep in directory:
        raise NoHook(f"a directory with {os.pathsep!r} in its name cannot be on PYTHONPATH: {cache}")
    if not os.path.exists(os.path.join(directory, "sitecustomize.py")):
        try:
            _install(sources, directory)
        except OSError as error:
            raise NoHook(f"{cache} cannot be written: {error.strerror}") from None
    return directory


def variables(
    environ: Mapping[str, str], directory: str, events: str, kinds: Collection[Kind], native: str = ""
) -> dict[str, str]:
    """What to add to the environment of a command so that its Pythons load the bootstrap, and all programs `native`."""
    added = {
        "PYTHONPATH": _first(directory, environ.get("PYTHONPATH")),
        EVENTS_VARIABLE: events,
        KINDS_VARIABLE: ",".join(sorted(kind.value for kind in kinds)),
    }
    return added | ({"LD_PRELOAD": _first(native, environ.get("LD_PRELOAD"))} if native else {})


def _first(ours: str, others: str | None) -> str:
    return f"{ours}{os.pathsep}{others}" if others else ours


def _sources() -> dict[str, str]:
    """The files of the bootstrap, by the name that they have there."""
    below = os.path.join(_PACKAGE, "bootstrap")
    names = [name for name in sorted(os.listdir(below)) if name.endswith((".py", ".c")) and name != "__init__.py"]
    # Only the stub lies where modules are looked for: a `secrets` there would hide that of the standard library.
    there = {name if name == "sitecustomize.py" else f"parts/{name}": os.path.join(below, name) for name in names}
    return there | {f"parts/{os.path.basename(name)}": os.path.join(_PACKAGE, name) for name in _ALSO}


def _key(stamps: list[tuple[str, int, int]]) -> str:
    from zlib import crc32

    return f"{crc32(repr((_PACKAGE, stamps)).encode()):08x}"


def _install(sources: Mapping[str, str], directory: str) -> None:
    """Copy the files: beside it first, so that nobody meets a half of it."""
    import shutil
    import tempfile

    os.makedirs(os.path.dirname(directory), exist_ok=True)
    made = tempfile.mkdtemp(prefix=".hook-", dir=os.path.dirname(directory))
    try:
        os.mkdir(os.path.join(made, "parts"))
        for name, path in sources.items():
            shutil.copyfile(path, os.path.join(made, name))
        os.mkdir(os.path.join(made, "cache"))
        with suppress(FileExistsError, OSError):  # another was faster
            os.rename(made, directory)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    if not os.path.isdir(directory):
        raise OSError(0, "no directory can be made there")
