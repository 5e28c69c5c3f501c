"""Where the repository lies, and the one way to call git in it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import GitError

SECONDS = 60.0

NO_REPOSITORY = "not a git repository"
NO_COMMIT = "no commit yet"
NO_GIT = "git is not installed"
OLD_GIT = "git is older than 2.26"
BARE = "a bare repository has no working tree"
OTHER_OWNER = "the repository belongs to another user and safe.directory does not name it"
GONE = "the directory that .git names is gone"
SLOW = "git gave no answer in time"
UNREADABLE = "git cannot read the repository: "
_HINTS = {
    NO_REPOSITORY: "git init && git add -A && git commit -m 'First commit'",
    NO_COMMIT: "git add -A && git commit -m 'First commit'",
    NO_GIT: "install git: https://git-scm.com/downloads",
    OLD_GIT: "install a newer git: https://git-scm.com/downloads",
    BARE: "git clone it, and work in the clone",
    OTHER_OWNER: "git status   names the command that makes git trust this directory",
    GONE: "git worktree repair, or git submodule update --init, in the main repository",
    SLOW: "git status   shows whether git answers at all",
}

# What `git rev-parse --local-env-vars` names, in any version of git.
_LOCAL = {
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"),
    *("GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX"),
    *("GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REFERENCE_BACKEND", "GIT_REF_FORMAT"),
    *("GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_WORK_TREE"),
}
# All of git's variables that git sees here; others name programs or other repositories, or add noise to stderr.
_KEPT = {
    *("GIT_EXEC_PATH", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_ATTR_NOSYSTEM"),
    "GIT_TEST_ASSUME_DIFFERENT_OWNER",
}
_SET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    # For an object that is missing, git would start the program that the repository names for a promisor remote.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "LC_ALL": "C",
}
_HARDENED = (
    "--no-optional-locks",
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.pager=cat"),
    *("-c", "diff.external=", "-c", "log.showSignature=false", "-c", "safe.bareRepository=explicit"),
)


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the variables that tie a process to one repository, as git sets them inside a hook."""
    return {name: value for name, value in environ.items() if name not in _LOCAL}


def find_root(directory: str) -> str | None:
    """Find the nearest directory, from `directory` upwards and with links resolved, that has a `.git`."""
    return next((place for place in _upwards(directory) if is_root(place)), None)


def no_repository(directory: str) -> GitError:
    """The error for a directory that no working tree is around."""
    return failure(BARE if any(map(_is_bare, _upwards(directory))) else NO_REPOSITORY)


def is_root(place: str) -> bool:
    """Whether a working tree begins here."""
    dot_git = os.path.join(place, ".git")
    return os.path.isfile(dot_git) or os.path.lexists(os.path.join(dot_git, "HEAD"))


def git_dir_of(root: str) -> str:
    """Find the git directory of a working tree: `.git`, or what that file names in a linked worktree or a submodule."""
    place = os.path.join(root, ".git")
    if os.path.isfile(place):
        place = os.path.join(root, _first_line(place, b"gitdir:"))
    if not os.path.isdir(place):
        raise failure(GONE)
    return place


def common_dir_of(git_dir: str) -> str:
    """Find the git directory that linked worktrees share."""
    named = os.path.join(git_dir, "commondir")
    return os.path.join(git_dir, _first_line(named)) if os.path.isfile(named) else git_dir


def hint_for(reason: str | None) -> str | None:
    """Name what mends the `reason` of a git state or the message of a GitError; None where nothing is wrong."""
    return _HINTS.get(reason, "git status; git fsck") if reason else None


def failure(reason: str) -> GitError:
    """Make the error for a reason, with its hint."""
    return GitError(reason, hint_for(reason))


def readable(raw: bytes) -> str:
    """Decode what may not be UTF-8, with backslash escapes: surrogates could not be kept in a document."""
    return raw.decode("utf-8", "backslashreplace")


def command(root: str, arguments: Iterable[str], overrides: Iterable[str] = ()) -> tuple[list[str], dict[str, str]]:
    """Build the argument list and the environment of any git process that mlcli starts, to be run in `root`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    # Where this repository is broken, git would look further up and answer for another one.
    environ |= _SET | {"GIT_CEILING_DIRECTORIES": os.path.dirname(root)}
    # Only absolute entries: with "." on the PATH a repository could bring its own git.
    for place in environ.get("PATH", os.defpath).split(os.pathsep):
        git = os.path.join(place, "git")
        if os.path.isabs(place) and os.access(git, os.X_OK) and os.path.isfile(git):
            return [git, *_HARDENED, *overrides, *arguments], environ
    raise failure(NO_GIT)


def answer(
    root: str,
    arguments: Iterable[str],
    overrides: Iterable[str] = (),
    *,
    stdin: bytes = b"",
    index: str | None = None,
    ok: Iterable[int] = (0,),
    seconds: float | None = None,
) -> bytes:
    """Run git without GitPython, which costs as much to load as a small command, and return what it prints.

    `index` is another than the working tree's. GitError where git fails.
    """
    done = ran(root, arguments, overrides, stdin=stdin, index=index, seconds=seconds)
    if done.returncode not in ok:
        raise failure(reason_in(readable(done.stderr), root))
    return done.stdout


def ran(
    root: str,
    arguments: Iterable[str],
    overrides: Iterable[str] = (),
    *,
    stdin: bytes = b"",
    index: str | None = None,
    seconds: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run git to its end, with another index than the working tree's where one is named; GitError where it cannot be.

    `os.posix_spawn` would save 0.1 ms of CPU, and has neither a working directory nor a time limit.
    """
    argv, environ = command(root, arguments, overrides)
    if index is not None:
        environ["GIT_INDEX_FILE"] = index
    given: dict[str, Any] = {"input": stdin} if stdin else {"stdin": subprocess.DEVNULL}
    given["timeout"] = SECONDS if seconds is None else seconds
    try:
        return subprocess.run(argv, cwd=root, env=environ, capture_output=True, check=False, **given)
    except subprocess.TimeoutExpired:
        raise failure(SLOW) from None
    except OSError as error:
        raise failure(f"git cannot be started: {error.strerror}") from None


def reason_in(stderr: str, root: str) -> str:
    """Git's first line, without paths of this machine: it is kept with the run."""
    if "dubious ownership" in stderr or "unsafe repository" in stderr:
        return OTHER_OWNER
    if "unknown option `show-scope'" in stderr:
        return OLD_GIT
    said = [line for line in stderr.splitlines() if line and not line.startswith(("warning: ", "hint: "))]
    line = said[0].removeprefix("fatal: ").removeprefix("error: ") if said else "it does not say why"
    return UNREADABLE + re.sub(r"(?<![\w.~-])/\S*/", ".../", line.replace(root, "."))


def _upwards(directory: str) -> Iterator[str]:
    place = os.path.realpath(directory)
    while True:
        yield place
        place, below = os.path.dirname(place), place
        if place == below:
            return


def _is_bare(place: str) -> bool:
    return all(os.path.exists(os.path.join(place, name)) for name in ("HEAD", "objects", "refs"))


def _first_line(path: str, prefix: bytes = b"") -> str:
    with open(path, "rb") as file:
        return os.fsdecode(file.read(8192).removeprefix(prefix).strip())
