"""Exactly the packages that were recorded, in their versions; mlcli, which is on no index, from its source."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from ..domain.names import quoted
from ..errors import CannotBuild
from .pythons import CURRENT, Installer, first_words, ran

OURS = "mlcli"
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_UNREACHED = re.compile(r"Retrying \(Retry\(|error sending request|Connection refused|dns error|Failed to fetch")
_SCRIPT = "import sys\nfrom mlcli.__main__ import main\n\nsys.exit(main())\n"


def check(packages: Mapping[str, str]) -> None:
    """CannotBuild where a document calls something a package that an installer could take for an option, or a URL."""
    odd = [name for name, told in packages.items() if not _NAME.fullmatch(name) or not _VERSION.fullmatch(told)]
    if odd:
        told = ", ".join(f"{quoted(name)} {quoted(packages[name])}" for name in odd[:20])
        raise CannotBuild(f"what was recorded names no package that can be installed: {told}", CURRENT)


def install(installer: Installer, packages: Mapping[str, str]) -> None:
    """Install these packages and no other; CannotBuild names each that cannot be, with the installer's own words."""
    kept = {OURS, *installer.keeps}
    refused = _refused(installer, [f"{name}=={told}" for name, told in packages.items() if name not in kept])
    if refused:
        told = "; ".join(f"{name.replace('==', ' ')} ({words})" for name, words in refused.items())
        one = "a recorded package" if len(refused) == 1 else f"{len(refused)} of {len(packages)} recorded packages"
        raise CannotBuild(f"{one} cannot be installed: {told}", CURRENT)
    unwanted = [name for name in installer.brings if name not in packages]
    if unwanted:
        ran([*installer.removes, *unwanted])


def _refused(installer: Installer, names: list[str]) -> dict[str, str]:
    """Install what can be; what cannot, found by halves, as an installer names one thing and does nothing then."""
    if not names:
        return {}
    code, told = ran([*installer.command, *names])
    if not code:
        return {}
    if _UNREACHED.search(told):
        hint = f"connect, or say where packages lie (PIP_INDEX_URL, PIP_FIND_LINKS, UV_INDEX_URL); or: {CURRENT}"
        raise CannotBuild(f"the package index cannot be reached: {first_words(told)}", hint)
    if len(names) == 1:
        return {names[0]: first_words(told)}
    middle = len(names) // 2
    return {**_refused(installer, names[:middle]), **_refused(installer, names[middle:])}


def add_ours(place: str, recorded: str) -> None:
    """Let the environment have the mlcli that runs now, as an installed package: found, called and told as one."""
    [library] = glob.glob(os.path.join(glob.escape(place), "lib", "*", "site-packages"))
    above = os.path.join(place, "mlcli-source")
    os.mkdir(above)
    os.symlink(SOURCE, os.path.join(above, OURS))
    try:
        ours = version(OURS)
    except PackageNotFoundError:  # run from its source
        ours = recorded
    described = os.path.join(library, f"{OURS}-{ours}.dist-info")
    os.mkdir(described)
    script = os.path.join(place, "bin", OURS)
    for path, content in (
        (os.path.join(library, f"{OURS}.pth"), above),
        (os.path.join(described, "METADATA"), f"Metadata-Version: 2.1\nName: {OURS}\nVersion: {ours}"),
        (script, f"#!{os.path.join(place, 'bin', 'python')}\n{_SCRIPT}"),
    ):
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{content}\n")
    os.chmod(script, 0o755)  # noqa: S103
