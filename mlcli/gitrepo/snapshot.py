"""A dirty working tree, kept as a commit: its parent is what is checked out, and nothing of the user's is touched.

The same tree makes the same commit, wherever and how often: who and when are HEAD's date and a fixed name.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter

from msgspec.structs import replace

from ..domain.secrets import holds_secret
from ..domain.source import LeftOut, Snapshot, SnapshotLimits
from ..errors import GitError
from .command import answer, is_root, readable
from .commits import describe_commit
from .tree import Status, WorkTree, lines

NAMED = 100
# A directory with more new files than this is data, and would be as many objects.
_MANY = 1000
_LARGE, _CROWD, _PRIVATE, _LEAK, _UNREADABLE = "large", "many", "secret", "holds secret", "unreadable"
# A text file larger than this is data; and what is searched for secrets together is what takes half a second.
_SEARCHED, _SEARCHED_TOGETHER = 1_000_000, 4_000_000
_WHO = "mlcli <mlcli@localhost>"
_MESSAGE = "Uncommitted work of a run, kept by mlcli\n"
_SECRET = re.compile(
    rb"(?:^|/)(?:\.env(?:\.(?!example|sample|template|dist)[^/]*)?|\.netrc|\.pgpass|\.npmrc|\.pypirc|\.htpasswd"
    rb"|id_(?:rsa|dsa|ecdsa|ed25519)|[^/]*\.(?:pem|key|p12|pfx|jks|keystore|kdbx)|(?:client_)?secrets?\.[^/]*"
    rb"|credentials(?:\.[^/]*)?)$",
    re.I,
)


def make_snapshot(tree: WorkTree, status: Status, parent: str | None, date: str, limits: SnapshotLimits) -> Snapshot:
    """Write what the working tree holds as a commit on top of `parent`, dated `date`; no ref leads to it yet."""
    chosen, left_out = _chosen(tree, status.untracked, limits)
    own = [path for path in status.changed if path not in status.submodules]
    changed, unreadable = _readable(tree, own, limits)
    leaks = _with_secrets(tree, [*changed, *chosen])
    left_out += unreadable
    if not limits.secrets:
        left_out += [_left_out(tree, path, _LEAK) for path in leaks]
        changed, chosen = ([path for path in paths if path not in leaks] for paths in (changed, chosen))
    options = ("--add", "--remove", "--replace", "-z", "--stdin")
    tree.change("update-index", *options, stdin=lines([*changed, *chosen]), durable=limits.durable)
    inner = {path: _kept_submodule(tree, path, limits) for path in status.submodules}
    if inner:
        entries = lines(b"160000 %s\t%s" % (kept.commit.encode(), path) for path, kept in inner.items())
        tree.change("update-index", "-z", "--index-info", stdin=entries)
    whole = tree.change("write-tree", "--missing-ok", stdin=b"", durable=limits.durable).decode("ascii").strip()
    submodules: dict[str, str] = {}
    secrets = [readable(path) for path in leaks] if limits.secrets else []
    for path, kept in inner.items():
        below = f"{readable(path)}/"
        submodules |= {below[:-1]: kept.commit, **{below + name: commit for name, commit in kept.submodules.items()}}
        left_out += [replace(file, path=below + file.path) for file in kept.left_out]
        secrets += [below + name for name in kept.secrets]
    return Snapshot(
        commit=_commit(tree, whole, parent, date, durable=limits.durable),
        tree=whole,
        left_out=left_out[:NAMED],
        unnamed=max(0, len(left_out) - NAMED) + sum(kept.unnamed for kept in inner.values()),
        submodules=submodules,
        nested=_nested(tree, status.nested),
        bypassed=sorted(tree.bypassed),
        secrets=sorted(secrets)[:NAMED],
    )


def _commit(tree: WorkTree, whole: str, parent: str | None, date: str, *, durable: bool) -> str:
    parents = f"parent {parent}\n" if parent else ""
    content = f"tree {whole}\n{parents}author {_WHO} {date}\ncommitter {_WHO} {date}\n\n{_MESSAGE}".encode()
    written = tree.change("hash-object", "-t", "commit", "-w", "--stdin", stdin=content, durable=durable)
    return written.decode("ascii").strip()


def _chosen(tree: WorkTree, untracked: list[bytes], limits: SnapshotLimits) -> tuple[list[bytes], list[LeftOut]]:
    """The new files that are kept, small ones first, and those that are not."""
    sizes: list[tuple[int, bytes]] = []
    left_out: list[tuple[bytes, int, str]] = []
    crowded = {where for where, count in Counter(map(os.path.dirname, untracked)).items() if where and count > _MANY}
    crowds: Counter[bytes] = Counter()
    for path in untracked:
        try:
            found = os.lstat(tree.below(path))
        except OSError:
            continue  # gone since git listed it
        if os.path.dirname(path) in crowded:
            crowds[os.path.dirname(path)] += found.st_size
        elif _SECRET.search(path):
            left_out.append((path, found.st_size, _PRIVATE))
        elif stat.S_ISREG(found.st_mode) and not os.access(tree.below(path), os.R_OK):
            left_out.append((path, found.st_size, _UNREADABLE))
        elif found.st_size > limits.file:
            left_out.append((path, found.st_size, _LARGE))
        else:
            sizes.append((found.st_size, path))
    left_out += [(where + b"/", size, _CROWD) for where, size in crowds.items()]
    chosen, together = [], 0
    for size, path in sorted(sizes):
        together += size
        if together > limits.together:
            left_out.append((path, size, _LARGE))
        else:
            chosen.append(path)
    named = [LeftOut(path=readable(path), size=size, digest="", reason=why) for path, size, why in sorted(left_out)]
    return chosen, named


def _readable(tree: WorkTree, changed: list[bytes], limits: SnapshotLimits) -> tuple[list[bytes], list[LeftOut]]:
    """The changed files that can be read; of the others the snapshot holds what was committed.

    So it is with large files where git-lfs is set up by the repository itself, and therefore switched off: they would
    become objects as they are, and what was committed is the id that git-lfs gave them.
    """
    taken, left_out = [], []
    for path in changed:
        place = tree.below(path)
        size = os.lstat(place).st_size if os.path.isfile(place) else 0
        if size and not os.access(place, os.R_OK):
            left_out.append(LeftOut(path=readable(path), size=size, digest="", reason=_UNREADABLE))
        elif tree.without_lfs and size > limits.file:
            left_out.append(LeftOut(path=readable(path), size=size, digest="", reason=_LARGE))
        else:
            taken.append(path)
    return taken, left_out


def _with_secrets(tree: WorkTree, paths: list[bytes]) -> list[bytes]:
    """Those of the files whose content looks like a secret, small ones searched first."""
    sizes = sorted((found.st_size, path) for path in paths if (found := _small(tree.below(path))))
    together, leaks = 0, []
    for size, path in sizes:
        together += size
        if together > _SEARCHED_TOGETHER:
            break
        try:
            with open(tree.below(path), "rb") as file:
                if holds_secret(file.read(_SEARCHED)):
                    leaks.append(path)
        except OSError:
            continue  # gone since git listed it
    return leaks


def _small(place: str) -> os.stat_result | None:
    try:
        found = os.lstat(place)
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) and found.st_size <= _SEARCHED else None


def _left_out(tree: WorkTree, path: bytes, why: str) -> LeftOut:
    found = _small(tree.below(path))
    return LeftOut(path=readable(path), size=found.st_size if found else 0, digest="", reason=why)


def _kept_submodule(outer: WorkTree, path: bytes, limits: SnapshotLimits) -> Snapshot:
    """A snapshot of a submodule, in its own repository."""
    tree = WorkTree.at(outer.below(path), outer.seconds)
    try:
        status = tree.status()
        commit = readable(status.headers.get(b"branch.oid", b""))
        _, _, date = describe_commit(tree.root, tree.git_dir, commit, tree.seconds)
        return make_snapshot(tree, status, commit, date, limits)
    finally:
        tree.close()


def _nested(tree: WorkTree, paths: list[bytes]) -> dict[str, str]:
    found = {}
    for path in paths:
        place = tree.below(path).rstrip("/")
        if is_root(place):
            try:
                head = answer(place, ("rev-parse", "--verify", "--quiet", "HEAD"), ok=(0, 1), seconds=tree.seconds)
            except GitError:
                head = b""
            found[readable(path).rstrip("/")] = head.decode("ascii", "replace").strip()
    return found
