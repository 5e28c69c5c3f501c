"""What is asked of git in the middle of a merge, and where documents lie that a merge left out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .command import SECONDS, answer, git_dir_of, ran, readable
from .commits import is_commit_id
from .repository import Repository

_UNKNOWN = "the other side"


class Sides(NamedTuple):
    """The two sides of a merge, and the commits whose numbers are kept: none where that cannot be known.

    `operation` is merge, rebase, cherry-pick or revert; '' where none is under way, and `upstream` is then what the
    branch goes to. In a rebase, as git has it, `ours` is what was rebased onto, and `theirs` the branch.
    """

    operation: str
    theirs: str | None
    upstream: list[str]
    our_name: str
    their_name: str


def sides(root: str, heads: Iterable[str] = ()) -> Sides:
    """What is under way in a working tree. `heads` are commits that a running `git merge` told of."""
    git_dir, head = git_dir_of(root), [commit] if (commit := _commit(root, "HEAD")) else []
    branch = readable(answer(root, ("symbolic-ref", "--short", "--quiet", "HEAD"), ok=(0, 1))).strip()
    for place in (f"{git_dir}/rebase-merge", f"{git_dir}/rebase-apply"):
        if os.path.isdir(place):
            onto, whose = _line(f"{place}/onto"), _line(f"{place}/head-name").removeprefix("refs/heads/")
            return Sides("rebase", _commit(root, "REBASE_HEAD"), head, _named(root, onto), whose or _UNKNOWN)
    for name, operation in (("CHERRY_PICK_HEAD", "cherry-pick"), ("REVERT_HEAD", "revert")):
        if picked := _commit(root, name):
            return Sides(operation, picked, head, branch or "HEAD", picked[:7])
    told = (_line(f"{git_dir}/MERGE_HEAD"), *heads, _squashed(git_dir))
    theirs = next((each for each in told if is_commit_id(each)), None)
    if theirs is None:
        return Sides("", None, _goes_to(root, branch), branch or "HEAD", _UNKNOWN)
    upstream = _upstream(root, branch, head, theirs)
    return Sides("merge", theirs, upstream, branch or "HEAD", _named(root, theirs))


def _upstream(root: str, branch: str, head: list[str], theirs: str) -> list[str]:
    """The side of a merge that others have already: what is pulled, else the default branch."""
    tracked = _commit(root, "@{upstream}")
    if tracked and _leads_to(root, [tracked], theirs):
        return [theirs]
    name, commits = _default(root)
    if branch and branch == name:
        return head
    if _leads_to(root, commits, theirs):
        return [theirs]
    return head if head and _leads_to(root, commits, head[0]) else []


def _goes_to(root: str, branch: str) -> list[str]:
    """The commits of what a branch goes to: of the default branch what is tracked, then the default branch itself."""
    name, commits = _default(root)
    tracked = _commit(root, "@{upstream}") if branch == name else None
    return [tracked, *commits] if tracked else commits


def _default(root: str) -> tuple[str, list[str]]:
    """The default branch, as origin tells it, else by its usual names: its name and commits, a remote's first."""
    shown = "--format=%(objectname) %(refname) %(symref)"
    listed = readable(answer(root, ("for-each-ref", shown, "refs/remotes", "refs/heads"))).splitlines()
    refs = {name: (commit, symref) for commit, name, symref in (line.split(" ", 2) for line in listed)}
    led = [symref.split("/", 3)[3] for name, (_, symref) in refs.items() if name.endswith("/HEAD") and symref]
    chosen = readable(answer(root, ("config", "init.defaultBranch"), ok=(0, 1))).strip()
    branches = {name.split("/", 2)[2] for name in refs if name.startswith("refs/heads/")}
    branches |= {name.split("/", 3)[3] for name in refs if name.startswith("refs/remotes/") and name.count("/") > 2}
    default = next((name for name in (*led, chosen, "main", "master") if name in branches), "")
    owners = [name for name in refs if name.startswith("refs/remotes/") and name.split("/", 3)[3:] == [default]]
    return default, [refs[name][0] for name in (*owners, f"refs/heads/{default}") if name in refs]


def _leads_to(root: str, commits: Iterable[str], commit: str) -> bool:
    return any(not ran(root, ("merge-base", "--is-ancestor", commit, each)).returncode for each in commits)


def _named(root: str, commit: str) -> str:
    """A branch or tag at a commit, else its short id."""
    if not is_commit_id(commit):
        return _UNKNOWN
    shown = ("for-each-ref", f"--points-at={commit}", "--format=%(refname:lstrip=2)")
    names = readable(answer(root, (*shown, "refs/heads", "refs/remotes", "refs/tags"))).splitlines()
    return next((name for name in names if not name.endswith("/HEAD")), commit[:7])


def _commit(root: str, name: str) -> str:
    return Repository(root).resolve_commit(name) or ""


def _squashed(git_dir: str) -> str:
    """The newest commit of a `git merge --squash` that was not committed yet."""
    try:
        with open(os.path.join(git_dir, "SQUASH_MSG"), encoding="utf-8", errors="replace") as file:
            return next((line.split()[1] for line in file if line.startswith("commit ")), "")
    except OSError:
        return ""


def _line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""


def unmerged(root: str, below: str) -> dict[str, dict[int, str]]:
    """The files below a path that have a conflict: {path from the root: {stage: blob}}."""
    found: dict[str, dict[int, str]] = {}
    listed = answer(root, ("ls-files", "-u", "-z", "--", f":(top,literal){below}"))
    for entry in listed.split(b"\0")[:-1]:
        about, _, path = entry.partition(b"\t")
        _, blob, stage = about.decode("ascii").split()
        found.setdefault(os.fsdecode(path), {})[int(stage)] = blob
    return found


def blobs_below(root: str, commit: str, below: str) -> dict[str, str]:
    """The files that a commit has below a path: {path from the root: blob}."""
    listed = answer(root, ("ls-tree", "-r", "-z", "--full-tree", commit, "--", below), ("--literal-pathspecs",))
    entries = (entry.partition(b"\t") for entry in listed.split(b"\0")[:-1])
    return {os.fsdecode(path): about.split()[2].decode("ascii") for about, _, path in entries}


def blobs_ever_below(root: str, below: str, commits: Iterable[str] = ()) -> dict[str, set[str]]:
    """All that files below a path ever were: in any branch, tag, stash or reflog, and in `commits`."""
    asked = ("log", "--all", "--reflog", *commits, "--full-history", "-m", "--no-renames", "--diff-filter=AM")
    shown = ("--format=", "--raw", "--no-abbrev", "-z", "--", f":(top,literal){below}")
    found: dict[str, set[str]] = {}
    parts = iter(answer(root, (*asked, *shown), ok=(0, 128), seconds=10 * SECONDS).split(b"\0"))
    for about in parts:
        if about.lstrip(b"\n").startswith(b":"):
            found.setdefault(os.fsdecode(next(parts)), set()).add(about.split()[3].decode("ascii"))
    return found


def contents(root: str, names: Iterable[str]) -> dict[str, bytes]:
    """The blobs of those names, as an id or `commit:path`, that are here."""
    asked = sorted({name for name in names if "\n" not in name})
    if not asked:
        return {}
    out = answer(root, ("cat-file", "--batch"), stdin=os.fsencode("".join(f"{name}\n" for name in asked)))
    return dict(_blobs(asked, out))


def _blobs(asked: list[str], out: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    for name in asked:
        end = out.index(b"\n", at)
        about, at = out[at:end].split(), end + 1
        if len(about) == 3 and about[2].isdigit() and len(about[0]) in {40, 64}:
            size = int(about[2])
            if about[1] == b"blob":
                yield name, out[at : at + size]
            at += size + 1


def stage(root: str, paths: Iterable[str]) -> None:
    """Let the index have these files as they lie in the working tree, and no others; conflicts in them are settled."""
    given = b"".join(os.fsencode(path) + b"\0" for path in sorted(paths))
    if given:
        answer(root, ("update-index", "--add", "--remove", "-z", "--stdin"), stdin=given)


def stores(root: str) -> list[str]:
    """The directories, from the root, of those stores that the index has a registry of."""
    listed = answer(root, ("ls-files", "-z", "--", ":(top,glob)**/.mlruns/models/**")).split(b"\0")
    found = {os.fsdecode(b"/" + path).partition("/.mlruns/models/")[0] for path in listed if path}
    return sorted(place.removeprefix("/") for place in found)


def merge_made(root: str, theirs: str) -> str | None:
    """What HEAD was before it merged `theirs`; None where it did not, as in a merge that was fast-forward."""
    parents = answer(root, ("rev-list", "--parents", "-1", "HEAD")).decode("ascii").split()[1:]
    return parents[0] if theirs in parents[1:] else None


def put_into_merge(root: str) -> bool:
    """Let the merge commit at HEAD have what the index has, as if git had made it so; False where it is signed.

    Git makes the commit's tree before it runs any hook, and its own way to amend refuses while a merge is under way.
    """
    head = _commit(root, "HEAD")
    raw = answer(root, ("cat-file", "commit", head))
    if b"\ngpgsig" in raw.partition(b"\n\n")[0]:
        return False
    tree = answer(root, ("write-tree",)).strip()
    commit = b"tree " + tree + raw[raw.index(b"\n") :]
    made = answer(root, ("hash-object", "-t", "commit", "-w", "--stdin"), stdin=commit)
    message = "merge: mlcli renumbered what both sides registered"
    answer(root, ("update-ref", "-m", message, "HEAD", made.decode("ascii").strip(), head))
    return True


def set_driver(root: str, name: str, settings: dict[str, str]) -> bool:
    """Let the repository's own configuration have a merge driver; whether that changed anything."""
    changed = False
    for key, value in settings.items():
        asked = f"merge.{name}.{key}"
        if readable(answer(root, ("config", "--local", asked), ok=(0, 1))).rstrip("\n") != value:
            answer(root, ("config", "--local", "--replace-all", asked, value))
            changed = True
    return changed
