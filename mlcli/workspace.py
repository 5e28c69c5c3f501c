"""A workspace: a project directory with its `.mlruns/`, git repository and settings; found once, handed down."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec.structs import replace

from . import machine
from .domain.names import quoted
from .domain.numbers import parsed_size
from .domain.source import GitState, Person, Rewritten, SnapshotLimits
from .errors import GitError, MlcliError, NoStore
from .settings import read_settings
from .store.disk import DiskStore
from .store.layout import DIRECTORY, MODELS, versions

if TYPE_CHECKING:
    from .gitrepo import Repository
    from .gitrepo.signing import Signature, Signing

ROOT_VARIABLE = "MLCLI_ROOT"
STORE_VARIABLE = "MLCLI_STORE"
RUN_VARIABLE = "MLCLI_RUN_ID"

# What the terminal's face has done before a store is read in which runs stand open.
before_reading: list[Callable[[Workspace], None]] = []


def utc_now() -> datetime:
    """The time, UTC, to the microsecond."""
    return datetime.now(timezone.utc)


def random_id() -> str:
    """A run id: 32 hexadecimal digits of a random UUID."""
    import uuid

    return uuid.uuid4().hex


class Workspace:
    """Where a command works: the directory, its store, repository and settings, the clock and the source of ids."""

    def __init__(
        self,
        root: str,
        *,
        store: str | None = None,
        environ: Mapping[str, str] | None = None,
        now: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        self.root = root
        self.environ = os.environ if environ is None else environ
        self.now = now
        self.new_id = new_id
        self.settings = read_settings(root, self.environ)
        self._rewritten: dict[tuple[str | None, str | None], Rewritten | None] = {}
        self.store = DiskStore(
            store or f"{root}/{DIRECTORY}", sync=self.settings.durability == "full", is_alive=machine.is_alive
        )

    @classmethod
    def find(cls, directory: str | None = None, environ: Mapping[str, str] | None = None) -> Workspace:
        """The workspace of a directory (default: the current one): the nearest `.mlruns/`, else the repository's top.

        The search ends at the repository's top, so a store above a repository is not its store. MLCLI_STORE names
        another store, and inside a run the run's workspace is taken, wherever its command went.
        """
        environ = os.environ if environ is None else environ
        if directory is None and (given := environ.get(STORE_VARIABLE)):
            store = os.path.abspath(given)
            return cls(environ.get(ROOT_VARIABLE) or os.path.dirname(store), store=store, environ=environ)
        if directory is None and (given := environ.get(ROOT_VARIABLE)):
            return cls(os.path.abspath(given), environ=environ)
        if directory is None:
            try:
                directory = os.getcwd()
            except FileNotFoundError:
                raise NoStore("the current directory was deleted", "cd to a directory that exists") from None
        return cls(_root_of(os.path.abspath(directory)), environ=environ)

    @cached_property
    def repository(self) -> Repository:
        """The git repository; GitError where there is none."""
        from .gitrepo import Repository

        return Repository(self.root)

    @property
    def cache_directory(self) -> str:
        """Where this user's programs keep what can be made again: environments and worktrees of reproductions."""
        place = self.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(place):
            place = os.path.join(self.environ.get("HOME") or os.path.expanduser("~"), ".cache")
        return os.path.join(place, "mlcli")

    def person(self) -> Person:
        """Who acts here: git's user, else the login name."""
        try:
            person = self.repository.person()
        except MlcliError:
            person = Person()
        login = self.environ.get("USER") or self.environ.get("LOGNAME") or ""
        return person if person.name or person.email else Person(name=login)

    def head(self) -> str | None:
        """The commit at HEAD; None where there is none."""
        try:
            return self.repository.head()
        except MlcliError:
            return None

    def rewritten(self, state: GitState) -> Rewritten | None:
        """Where the code of a commit is that no branch or tag leads to; None where one does, or none has the like."""
        asked = state.commit, state.patch_id
        if asked not in self._rewritten:
            try:
                self._rewritten[asked] = self.repository.found_again(state)
            except GitError:
                return None
        return self._rewritten[asked]

    def patch_id(self, commit: str | None) -> str | None:
        """Git's stable id of what a commit changed; None where git cannot tell."""
        try:
            return self.repository.patch_id(commit) if commit else None
        except GitError:
            return None

    def branch_with(self, path: str) -> str | None:
        """HEAD, or a branch, whose commit has a file, named from the workspace on; None where git knows of none."""
        try:
            return self.repository.branch_with(os.path.join(self.root, path))
        except GitError:
            return None

    def is_pushed(self, commit: str) -> bool:
        """Whether a remote-tracking branch leads to a commit; GitError where git cannot tell."""
        return self.repository.is_pushed(commit)

    @property
    def snapshot_limits(self) -> SnapshotLimits | None:
        """What of a dirty tree is kept; None where snapshots are switched off."""
        if self.settings.snapshot == "no":
            return None
        file, together = self.settings.snapshot_file_limit, self.settings.snapshot_limit
        durable = self.settings.durability == "full"
        secrets = self.settings.snapshot_secrets == "warn"
        return SnapshotLimits(parsed_size(file) or 0, parsed_size(together) or 0, durable, secrets)

    def keep_code(self, state: GitState) -> GitState:
        """Let refs of this store lead to what a run was made from; why they cannot is noted in the state."""
        try:
            self.keep_commits(state.kept)
        except GitError as error:
            return replace(state, unkept=f"no ref can be made for it: {error.message}")
        except OSError as error:
            return replace(state, unkept=f"no ref can be made for it: {error.strerror}")
        return state

    def keep_commits(self, commits: Mapping[str, str]) -> None:
        """Let refs of this store lead to commits, given as {path of the repository from the root: commit}."""
        from .gitrepo import keep_commits

        if commits and (place := self._place_of_refs()):
            keep_commits(*place, commits, durable=self.settings.durability == "full")

    def code_refs(self, *, trashed: bool = False) -> set[str]:
        """The commits that refs of this store lead to; with `trashed`, those of removed runs."""
        from .gitrepo import KEPT, TRASHED, kept_commits

        place = self._place_of_refs()
        return kept_commits(*place, TRASHED if trashed else KEPT) if place else set()

    def code_ref(self, commit: str) -> str:
        """The name of the ref of this store that leads to a commit, if there is one."""
        from .gitrepo import KEPT

        place = self._place_of_refs()
        return f"{KEPT}/{place[1] if place else '*'}/{commit}"

    def loose_code(self, commits: Iterable[str]) -> dict[str, bool]:
        """Those of `commits` that no ref of this store leads to, and whether they are in the repository at all."""
        wanted = set(commits)
        if not wanted or self._place_of_refs() is None:
            return {}
        loose = wanted - self.code_refs()
        missing = self.repository.missing_commits(loose) if loose else set()
        return {commit: commit not in missing for commit in sorted(loose)}

    def discard_code(self, commits: Iterable[str]) -> int:
        """Let the refs of these commits be those of removed runs; how many there were."""
        from .gitrepo import KEPT, TRASHED

        return self._move_code(commits, KEPT, TRASHED)

    def recall_code(self, commits: Iterable[str]) -> int:
        """Let the refs of these commits be no longer those of removed runs; how many there were."""
        from .gitrepo import KEPT, TRASHED

        return self._move_code(commits, TRASHED, KEPT)

    def forget_code(self, commits: Iterable[str]) -> int:
        """Drop those refs of removed runs that lead to these commits; how many there were."""
        from .gitrepo import TRASHED

        return self._move_code(commits, TRASHED, None)

    def _move_code(self, commits: Iterable[str], from_: str, to: str | None) -> int:
        from .gitrepo import move_commits

        wanted, place = set(commits), self._place_of_refs()
        return move_commits(*place, wanted, from_=from_, to=to) if wanted and place else 0

    def _place_of_refs(self) -> tuple[str, str] | None:
        """The repository and the directory of this store's refs in it; None where there is no repository."""
        from .gitrepo import find_root, place_of

        root = find_root(self.root)
        return (root, place_of(root, self.store.root)) if root else None

    def sign(self, text: str) -> str:
        """A signature over `text` with the key that git signs with; CannotSign where there is none."""
        return self._signing.sign(text.encode())

    def verify(self, text: str, signature: str, identity: str, *, at: datetime | None = None) -> Signature:
        """Whether a signature over `text` is good, by a key that was allowed for that address at that time.

        CannotVerify where nothing says which keys are.
        """
        return self._signing.verify(text.encode(), signature, identity, at=at)

    @cached_property
    def _signing(self) -> Signing:
        from .gitrepo.signing import Signing

        return Signing(self.root)

    def staged(self) -> Workspace:
        """This workspace with the registry as git is about to commit it, not as it lies in the working tree."""
        from .store.frozen import FrozenFiles

        below = os.path.relpath(self.root, self.repository.root).replace(os.sep, "/")
        prefix = f"{DIRECTORY}/" if below == "." else f"{below}/{DIRECTORY}/"
        files = self.repository.staged_files(f"{prefix}models")
        there = Workspace(self.root, environ=self.environ, now=self.now, new_id=self.new_id)
        there.store = DiskStore(
            self.store.root,
            is_alive=machine.is_alive,
            registry=FrozenFiles({path.removeprefix(prefix): data for path, data in files.items()}),
        )
        return there

    def versions_in_git(self) -> list[bytes]:
        """The registry's documents as they lie in git's index, on every branch and tag, and in every stash."""
        try:
            repository = self.repository
        except GitError:
            return []
        return repository.contents_everywhere(f"{self.store.root}/{MODELS}")

    def numbers_in_git(self, model: str) -> list[int]:
        """The numbers that versions of a model have or had in git's history, as far as git tells."""
        try:
            names = self.repository.names_ever_in(f"{self.store.root}/{versions(model)}")
        except GitError:
            return []
        return [int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdecimal()]

    def note_command(self, run_id: str, pid: int) -> None:
        """Tell which process a run's command is, should its wrapper be killed; trouble with it is none of the run's."""
        with suppress(MlcliError):
            self.store.note_command(run_id, machine.process_of(pid))

    def require_store(self) -> None:
        """NoStore, with what makes one, where nothing was recorded yet."""
        for settle in before_reading if self.store.open_runs() else ():
            settle(self)
        if not self.store.is_made():
            raise NoStore(f"no runs were recorded in {quoted(self.root, 200)} yet", "mlcli run -- python train.py")

    def make_store(self) -> bool:
        """Make the store where there is none, and what is missing of it; whether it was made now."""
        made = self.store.is_made()
        self.store.make()
        return not made

    def relative(self, path: str) -> str:
        """`path` relative to the workspace, with '/', so that it means the same in every clone."""
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    def place(self, path: str) -> str:
        """Where the file lies that a document tells of: relative to the workspace, or absolute."""
        return os.path.join(self.root, path)


@contextmanager
def standing_in(directory: str) -> Iterator[None]:
    """Work in a directory for a while, so that a command is started there; then again where we were."""
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(directory)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def _root_of(directory: str) -> str:
    here = directory
    while True:
        if os.path.lexists(f"{here}/{DIRECTORY}") or os.path.lexists(f"{here}/.git"):
            return here
        above = os.path.dirname(here)
        if above == here:
            return directory
        here = above
