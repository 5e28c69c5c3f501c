"""What a repository's configuration says that a run needs, and its filters, switched off."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..domain.secrets import without_credentials
from ..domain.source import Person
from .command import UNREADABLE, answer, common_dir_of, failure, readable

_CONFIG = (
    r"^(remote\..*\.url|branch\..*\.remote|filter\..*|lfs\.extension\..*|(user|author)\.(name|email)"
    r"|include(if)?\..*)$"
)


class Config(NamedTuple):
    """Remotes and the branches' own, names of filters that the repository brings, git's user, and what it includes."""

    remotes: dict[str, str]
    branches: dict[str, str]
    filters: set[str]
    own: dict[str, str]
    includes: list[str]


def remote_of(config: Config, branch: str | None) -> str | None:
    """The URL of a branch's remote, else of origin, else of the only one; without credentials."""
    name = config.branches.get(branch or "", "origin")
    url = config.remotes.get(name) or (name if "://" in name else config.remotes.get("origin"))
    if not url and len(config.remotes) == 1:
        url = next(iter(config.remotes.values()))
    return without_credentials(url) if url else None


def person_of(own: Mapping[str, str]) -> Person:
    """Git's user, as the environment and the configuration name it."""
    return Person(
        name=os.environ.get("GIT_AUTHOR_NAME") or own.get("author.name") or own.get("user.name") or "",
        email=os.environ.get("GIT_AUTHOR_EMAIL")
        or own.get("author.email")
        or own.get("user.email")
        or os.environ.get("EMAIL")
        or "",
    )


_configs: dict[tuple[object, ...], Config] = {}


def known_config(root: str, git_dir: str, seconds: float) -> Config:
    """The configuration as it was read before in this process, where none of its files has changed."""
    home = os.environ.get("HOME", "")
    user = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    shared = os.environ.get("GIT_CONFIG_GLOBAL"), os.environ.get("GIT_CONFIG_SYSTEM")
    files = (
        *(f"{common_dir_of(git_dir)}/config", f"{git_dir}/config.worktree", f"{home}/.gitconfig", f"{user}/git/config"),
        *("/etc/gitconfig", *(path for path in shared if path)),
    )
    key = (root, *map(_stamp, files))
    if key not in _configs:
        _configs.clear()
        config = read_config(root, seconds)
        if config.includes:
            return config
        _configs[key] = config
    return _configs[key]


def _stamp(path: str) -> tuple[str, int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return path, found.st_mtime_ns, found.st_size, found.st_ino


def read_config(place: str, seconds: float) -> Config:
    """The configuration as git reads it in a directory."""
    asked = ("config", "--show-scope", "-z", "--get-regexp", _CONFIG)
    fields = answer(place, asked, ok=(0, 1), seconds=seconds).split(b"\0")
    config = Config({}, {}, set(), {}, [])
    for scope, entry in zip(fields[::2], fields[1::2], strict=False):
        key, _, value = entry.partition(b"\n")
        section, _, rest = readable(key).partition(".")
        if section in {"include", "includeif"}:
            config.includes.append(rest)
        elif section == "remote":
            config.remotes.setdefault(rest.rpartition(".")[0], readable(value))
        elif section == "branch":
            config.branches[rest.rpartition(".")[0]] = readable(value)
        elif section in {"user", "author"}:
            config.own[f"{section}.{rest}"] = readable(value).strip()
        elif scope in {b"local", b"worktree"}:
            # git-lfs, where the user has installed it, runs the extensions that a repository configures.
            name = "lfs" if section == "lfs" else os.fsdecode(key).partition(".")[2].rpartition(".")[0]
            config.filters.add(name)
    return config


def without_filters(config: Config) -> Iterator[str]:
    """Options that switch off the filters of the repository's own configuration; the user's own still work."""
    for name in sorted(config.filters - {""}):
        yield from without_filter(name)


def without_filter(name: str) -> Iterator[str]:
    """Options that switch one filter off."""
    if "=" in name:  # -c would split there and leave the filter standing
        raise failure(f"{UNREADABLE}it configures a filter with = in its name")
    for setting in ("clean=", "smudge=", "process=", "required=false"):
        yield "-c"
        yield f"filter.{name}.{setting}"
