"""What checking and showing need to know of git."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from ..domain.source import GitState, Person, Rewritten
from ..errors import GitError
from .command import (
    SECONDS,
    SLOW,
    answer,
    command,
    failure,
    find_root,
    git_dir_of,
    no_repository,
    ran,
    readable,
    reason_in,
)
from .commits import is_commit_id, subject_of
from .state import read_person

if TYPE_CHECKING:
    from .staged import StagedFile

_LAST_SECOND = 253402300799  # the end of the year 9999


class CommitSummary(NamedTuple):
    """One commit in a line: its subject, its author, and when it was written (UTC)."""

    commit: str
    subject: str
    author: Person
    at: datetime


class Repository:
    """The repository around a directory; every method only reads, and raises GitError where git has no answer.

    GitPython is loaded by the first question that needs it, and only runs git: its own readers of objects, index and
    refs fail on SHA-256 repositories, reftable and names that are not UTF-8, and start what a repository configures.
    """

    def __init__(self, directory: str) -> None:
        root = find_root(directory)
        if root is None:
            raise no_repository(directory)
        self.root = root

    def head(self) -> str | None:
        """The commit that is checked out; None before the first."""
        return _commit_id(answer(self.root, _verified("HEAD"), ok=(0, 1, 128)))

    def person(self) -> Person:
        """Git's user, as `read_person` finds it."""
        return read_person(self.root)

    def hooks_directory(self) -> str:
        """Where git looks for hooks: core.hooksPath, else `hooks` in the directory that all worktrees share."""
        said = answer(
            self.root, ("config", "--show-scope", "-z", "--type=path", "--get-all", "core.hooksPath"), ok=(0, 1)
        )
        parts = said.split(b"\0")
        # Our own override of it, in scope "command", is left out.
        set_by_user = [
            os.fsdecode(value) for scope, value in zip(parts[::2], parts[1::2], strict=False) if scope != b"command"
        ]
        shared = os.fsdecode(answer(self.root, ("rev-parse", "--git-common-dir"))).rstrip("\n")
        return os.path.join(self.root, set_by_user[-1] if set_by_user else os.path.join(shared, "hooks"))

    def resolve_commit(self, text: str) -> str | None:
        """The full id of the commit that a branch, tag, short hash or other revision names; None where none does."""
        return _commit_id(answer(self.root, _verified(text), ok=(0, 1, 128))) if text and "\0" not in text else None

    def missing_commits(self, commits: Iterable[str]) -> set[str]:
        """Those of `commits` that are not here, or are no full id of a commit."""
        asked = set(commits)
        return asked - {name for name, kind, _ in self._objects(asked, "--batch-check") if kind == "commit"}

    def unreachable_commits(self, commits: Iterable[str]) -> set[str]:
        """Those that are here, and that no branch, remote-tracking branch or tag, nor HEAD, leads to."""
        asked = {commit for commit in commits if is_commit_id(commit)}
        if not asked:
            return set()
        # --ignore-missing holds only for what follows it; --not would turn what follows it.
        listed = ("rev-list", "--ignore-missing", "--stdin", "--not", "--branches", "--remotes", "--tags", "HEAD")
        return asked & set(answer(self.root, listed, stdin=_lines(asked)).decode("ascii").split())

    def is_pushed(self, commit: str) -> bool:
        """Whether a remote-tracking branch leads to a commit."""
        if commit in self.missing_commits([commit]):
            return False
        return not self._ask(("rev-list", "-1", commit, "--not", "--remotes")).strip()

    def unkept_commits(self, commits: Iterable[str]) -> set[str]:
        """Those that are here and that no ref of mlcli's leads to either."""
        asked = {commit for commit in commits if is_commit_id(commit)}
        listed = ("rev-list", "--ignore-missing", "--stdin", "--not", "--glob=refs/mlruns/*")
        return asked & set(answer(self.root, listed, stdin=_lines(asked)).decode("ascii").split()) if asked else set()

    def unreadable_snapshots(self, snapshots: Mapping[str, str | None]) -> set[str]:
        """Those of which a part is missing or damaged; each is given with the commit below it, if any."""
        from .reading import unreadable

        return unreadable(self.root, {key: value for key, value in snapshots.items() if is_commit_id(key)})

    def commits_holding(self, commits: Iterable[str], text: str) -> set[str]:
        """Those whose files hold a text, which is given to git on its standard input: others see command lines."""
        here = {commit for commit in commits if is_commit_id(commit)}
        asked = ("grep", "-q", "-a", "-F", "-f", "-")
        return {
            commit
            for commit in here - self.missing_commits(here)
            if not ran(self.root, (*asked, commit), stdin=os.fsencode(text)).returncode
        }

    def patch_id(self, commit: str) -> str | None:
        """Git's stable id of what a commit changed; None where it changed nothing, or is a merge."""
        from .rewritten import patch_id

        return patch_id(self.root, commit)

    def found_again(self, state: GitState) -> Rewritten | None:
        """Where the code of a commit went that no branch or tag leads to; None where one does, or nothing is alike."""
        from .rewritten import found_again

        return found_again(self.root, state.commit, state.tree, state.patch_id) if state.commit else None

    def describe(self, commits: Iterable[str]) -> dict[str, CommitSummary]:
        """Subject, author and date of each commit that is here."""
        found = self._objects(set(commits), "--batch")
        return {name: _summary(name, content) for name, kind, content in found if kind == "commit"}

    def branches_containing(self, commit: str, *, limit: int = 3) -> list[str]:
        """The first few local, then remote-tracking branches that lead to `commit`; none where it is not here."""
        if self.missing_commits([commit]):
            return []
        # origin/HEAD and its like are other names of a branch that is listed anyway.
        shown = ("--format=%(refname:lstrip=2)%(if)%(symref)%(then)%00%(end)", "refs/heads", "refs/remotes")
        names = self._ask(("for-each-ref", f"--contains={commit}", *shown)).splitlines()
        return [readable(name) for name in names if not name.endswith(b"\0")][:limit]

    def branch_with(self, path: str) -> str | None:
        """HEAD, or the first local or remote-tracking branch, whose commit has a file; None where none has it."""
        shown = ("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/remotes")
        names = ["HEAD", *map(readable, answer(self.root, shown).splitlines())]
        asked = "".join(f"{name}:{self._from_root(path)}\n" for name in names)
        found = answer(self.root, ("cat-file", "--batch-check"), stdin=os.fsencode(asked)).splitlines()
        has = (name for name, line in zip(names, found, strict=True) if line.split()[1:2] == [b"blob"])
        return next(has, None)

    def staged_files(self, below: str) -> dict[str, bytes]:
        """What the index holds at or below a path (absolute, or relative to `root`): path from `root` -> content.

        Regular files only. Inside a hook it is the index that is about to be committed. GitError where an entry has an
        unresolved conflict.
        """
        from .staged import staged_below

        blobs = staged_below(self.root, self._from_root(below), self._hook_index())
        contents = {name: content for name, _, content in self._objects(set(blobs.values()), "--batch")}
        if absent := next((path for path, blob in blobs.items() if blob not in contents), None):
            raise GitError(f"the staged content of {absent} is not in the repository", f"git add {absent}")
        return {path: contents[blob] for path, blob in blobs.items()}

    def staged_blobs(self, paths: Iterable[str] | None = None) -> list[StagedFile]:
        """The regular files among `paths` (absolute) as the index holds them; None: all that differ from HEAD there."""
        from .staged import staged_blobs

        asked = None if paths is None else [self._from_root(path) for path in paths]
        return staged_blobs(self.root, asked, self._hook_index())

    def contents(self, blobs: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """The contents of these blobs, each given with its size: as many at once as memory has room for."""
        from .staged import batches

        for batch in batches(blobs):
            yield from ((name, content) for name, _, content in self._objects(batch, "--batch"))

    def contents_everywhere(self, below: str) -> list[bytes]:
        """Every content that a file below a directory has in the index, at the tip of any ref, or in any stash."""
        below = self._from_root(below)
        tips = set(self._ask(("for-each-ref", "--format=%(objectname)")).decode("ascii").split()) | {"HEAD"}
        # The tip of refs/stash is the newest only; of each, ^2 is the index and ^3 what was untracked.
        stashes = self._ask(("rev-list", "-g", "refs/stash", "--"), ok=(0, 128)).decode("ascii").split()
        named = [*tips, *(f"{stash}{part}" for stash in stashes for part in ("", "^2", "^3"))]
        asked = "".join(f"{name}:{below}\n" for name in sorted(named))
        checked = self._ask(("cat-file", "--batch-check"), stdin=os.fsencode(asked)).split(b"\n")
        trees = {line.split()[0].decode("ascii") for line in checked if line.split()[1:2] == [b"tree"]}
        listed = [self._ask(("ls-files", "-s", "-z", "--", f":(top,literal){below}"), index=self._hook_index())]
        listed += [self._ask(("ls-tree", "-r", "-z", tree)) for tree in sorted(trees)]
        blobs = {word for entries in listed for entry in entries.split(b"\0") for word in entry.split(b"\t")[0].split()}
        found = self._objects({word.decode("ascii") for word in blobs}, "--batch")
        return [content for _, kind, content in found if kind == "blob"]

    def names_ever_in(self, below: str) -> set[str]:
        """The names of all files that commits up to HEAD added to a directory."""
        below = self._from_root(below)
        asked = (
            "log",
            "--full-history",
            "-m",  # a merge may have renumbered a version
            "--format=",
            "--name-only",
            "--no-renames",
            "--diff-filter=A",
            "-z",
            "HEAD",
            "--",
            f":(top,literal){below}",
        )
        found = answer(self.root, asked, ok=(0, 128)).split(b"\0")  # GitPython would cost a registration as much again
        return {readable(path).rpartition("/")[2] for path in found}

    def _from_root(self, path: str) -> str:
        if os.path.isabs(path):
            path = os.path.relpath(os.path.realpath(path), self.root)
        return path.replace(os.sep, "/")

    def is_ignored(self, path: str) -> bool:
        """Whether git leaves out a path (absolute, or relative to `root`): ignored, and not tracked."""
        # "./" keeps a name that begins with a colon from being read as git's pathspec magic.
        place = path if os.path.isabs(path) else f"./{path}"
        return bool(self._ask(("check-ignore", "--", place), ok=(0, 1)))

    def _hook_index(self) -> str | None:
        """The index that the environment names, if it is this repository's; relative, it counts from the root."""
        named, git_dir = os.environ.get("GIT_INDEX_FILE"), os.environ.get("GIT_DIR")
        if not named:
            return None
        own = os.path.realpath(git_dir_of(self.root))
        ours = os.path.realpath(git_dir) == own if git_dir else find_root(os.getcwd()) == self.root
        index = os.path.join(self.root, named)
        beside = os.path.dirname(os.path.realpath(index))
        foreign = beside != own and os.path.exists(os.path.join(beside, "HEAD"))
        return index if ours and not foreign else None

    def _objects(self, names: set[str], how: str) -> Iterator[tuple[str, str, bytes]]:
        """Name, type and (with --batch) content of those objects that are here, by one process."""
        full = {name for name in names if is_commit_id(name)}
        out = answer(self.root, ("cat-file", "--buffer", how), stdin=_lines(full)) if full else b""
        at = 0
        while at < len(out):
            end = out.index(b"\n", at)
            about, at = out[at:end].decode("ascii", "replace").split(), end + 1
            size = int(about[2]) if len(about) == 3 and how == "--batch" else None
            # In a SHA-256 repository 40 digits are an abbreviation, and git answers with the whole name.
            if len(about) == 3 and about[0] in full:
                yield about[0], about[1], out[at : at + (size or 0)]
            at += 0 if size is None else size + 1

    def _ask(
        self, arguments: Iterable[str], *, stdin: bytes = b"", index: str | None = None, ok: Iterable[int] = (0,)
    ) -> bytes:
        argv, environ = command(self.root, arguments)
        if index is not None:
            environ["GIT_INDEX_FILE"] = index
        # GitPython starts from os.environ and can only add to it, and os.environ belongs to the user's training.
        if unwanted := [f"-u{name}" for name in os.environ if name not in environ]:
            argv = ["/usr/bin/env", *unwanted, *argv]
        status, out, err = _run(self.root, argv, environ, stdin)
        if status < 0 and err.startswith("Timeout"):
            raise failure(SLOW)
        if status not in ok:
            raise failure(reason_in(err, self.root))
        return out


def _run(root: str, argv: list[str], environ: dict[str, str], stdin: bytes) -> tuple[int, bytes, str]:
    import tempfile

    try:
        import git
    except ImportError as error:  # it tries git at import
        raise GitError(
            f"GitPython cannot start git: {str(error).strip().partition(chr(10))[0]}", "git version"
        ) from None
    try:
        with tempfile.TemporaryFile() as stream:
            stream.write(stdin)
            stream.seek(0)
            status, out, err = git.Git(root).execute(
                argv,
                istream=stream,
                env=environ,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                kill_after_timeout=SECONDS,
            )
    except (git.exc.GitError, OSError) as error:
        raise failure(f"git cannot be started: {type(error).__name__}") from None
    return status, out if isinstance(out, bytes) else b"", err


def _verified(text: str) -> tuple[str, ...]:
    return ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}")


def _commit_id(out: bytes) -> str | None:
    found = out.decode("ascii", "replace").strip()
    return found if is_commit_id(found) else None


def _lines(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in sorted(names)).encode()


def _summary(commit: str, content: bytes) -> CommitSummary:
    head, _, message = content.partition(b"\n\n")
    fields = dict(line.partition(b" ")[::2] for line in head.split(b"\n") if not line.startswith(b" "))
    who, _, when = fields.get(b"author", b"").rpartition(b"> ")
    name, _, email = who.rpartition(b"<")
    seconds = when.partition(b" ")[0]
    return CommitSummary(
        commit=commit,
        subject=subject_of(message),
        author=Person(name=readable(name.strip()), email=readable(email)),
        at=datetime.fromtimestamp(min(int(seconds) if seconds.isdigit() else 0, _LAST_SECOND), timezone.utc),
    )
