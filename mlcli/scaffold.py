"""What a project may be given when it asks: the store now, a git hook, Makefile lines, a CI workflow."""

from __future__ import annotations

import os
import shlex
import sys

from .errors import Refused, WriteFailed
from .gitrepo import merges
from .merging import FINISH
from .workspace import Workspace

MARK = "mlcli check --staged"
HOOK = f"""\
#!/bin/sh
# Installed by mlcli init --hook. Refuses a commit whose registered models do not lead back to run, commit and files.
command -v mlcli >/dev/null && exec {MARK} --quiet
exec {{python}} -m {MARK} --quiet
"""
ATTRIBUTES = """\
# Written by mlcli init --merge-driver. Whoever has not asked mlcli for it gets git's usual conflicts.
/models/*/versions/*.json merge=mlcli
/models/*/events/*.json merge=mlcli
/models/*/stages/*.json merge=mlcli
/models/*/aliases/*.json merge=mlcli
"""
POST_MERGE = f"""\
#!/bin/sh
# Installed by mlcli init --merge-driver. Puts what the merge driver renumbered into the merge that git has just made.
command -v mlcli >/dev/null && exec {FINISH} "$1"
exec {{python}} -m {FINISH} "$1"
"""
# Where a merge base is itself a merge, its content decides nothing.
DRIVER = {"name": "the registry of mlcli", "recursive": "binary"}
MAKEFILE = """\
# mlcli: every training run recorded, the newest model registered, its lineage checked.
MLCLI ?= mlcli
.PHONY: train register check
train:
\t$(MLCLI) run -- python train.py
register: train
\t$(MLCLI) register --once model
check:
\t$(MLCLI) check
"""
WORKFLOW = """\
name: mlcli
on: [push, pull_request]
jobs:
  lineage:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { fetch-depth: 0 }  # check looks for the commits that models were made from
      - uses: actions/setup-python@v5
        with: { python-version: "3.12" }
      - run: pip install mlcli
      - run: mlcli check
"""


def make(
    workspace: Workspace,
    *,
    hook: bool = False,
    makefile: bool = False,
    ci: bool = False,
    merge_driver: bool = False,
) -> list[str]:
    """Make the store and what else was asked for; what was done, one line each. Nothing that is there is replaced."""
    done = ["made .mlruns/" if workspace.make_store() else ".mlruns/ is there already"]
    if hook:
        done.append(_hook(workspace))
    if makefile:
        done.append(_lines(workspace, "Makefile", MAKEFILE, "$(MLCLI) run"))
    if ci:
        done.append(_lines(workspace, ".github/workflows/mlcli.yml", WORKFLOW, "mlcli check"))
    if merge_driver:
        done += _merge_driver(workspace)
    return done


def _hook(
    workspace: Workspace, name: str = "pre-commit", text: str = HOOK, mark: str = MARK, line: str = f"{MARK} || exit 1"
) -> str:
    path = os.path.join(workspace.repository.hooks_directory(), name)
    shown = workspace.relative(path)
    there = _read(path)
    if mark in there:
        return f"{shown} is there already"
    if there:
        raise Refused(f"{shown} is there already and is not mlcli's", f"add this line to it: {line}")
    _write(path, text.format(python=shlex.quote(sys.executable)))
    os.chmod(path, 0o755)  # noqa: S103  # git runs it as whoever commits
    return f"wrote {shown}"


def _merge_driver(workspace: Workspace) -> list[str]:
    """The hook first: without it, the driver would leave to git what both branches registered."""
    done = [_hook(workspace, "post-merge", POST_MERGE, FINISH, f'{FINISH} "$1"')]
    called = FINISH.removesuffix(" --finish")
    python = f"{shlex.quote(sys.executable)} -m {called}"
    driver = f"if command -v mlcli >/dev/null; then {called} %O %A %B %P; else {python} %O %A %B %P; fi"
    changed = merges.set_driver(workspace.repository.root, "mlcli", {**DRIVER, "driver": driver})
    done.append("configured git's merge driver mlcli" if changed else "git's merge driver mlcli is configured already")
    done.append(_lines(workspace, ".mlruns/.gitattributes", ATTRIBUTES, "merge=mlcli"))
    return done


def _lines(workspace: Workspace, name: str, lines: str, mark: str) -> str:
    path = os.path.join(workspace.root, name)
    there = _read(path)
    if mark in there:
        return f"{name} has the lines already"
    _write(path, f"{there.rstrip()}\n\n{lines}" if there.strip() else lines)
    return f"{'added to' if there.strip() else 'wrote'} {name}"


def _write(path: str, text: str) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise WriteFailed(f"cannot write {path}: {error.strerror}") from None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
