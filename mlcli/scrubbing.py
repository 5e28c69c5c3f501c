"""Take a value out of all that is kept of a run, and tell where else it lies."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from .chronicle import drafted, restate
from .domain.history import Action
from .domain.model import ModelVersion
from .domain.run import Run, RunStatus, Scrub
from .domain.scrub import run_without, spellings, version_without
from .domain.values import kept_reason
from .errors import GitError, InUse, Refused
from .lookup import find_run
from .workspace import Workspace


class Place(Struct, frozen=True, kw_only=True):
    """Where the value was: a part of the run's document, its output, an artifact, a version; and how often."""

    where: str
    count: int


class Left(Struct, frozen=True, kw_only=True):
    """Where the value still lies, and what takes it out there."""

    where: str
    hint: str


class Scrubbed(Struct, frozen=True, kw_only=True):
    """What was taken out of a run, or would be; `also` are other runs that shared its content, and what is left."""

    run: Run
    places: list[Place]
    also: list[str] = []
    left: list[Left] = []


def scrub(
    workspace: Workspace, ref: str, value: str, *, every: bool = False, dry_run: bool = False, why: str = ""
) -> Scrubbed:
    """Take a value out of a run: its document, what it printed, its content, the versions that were registered from it.

    Content that holds it goes for good, as does what is derived. InUse where the run is running, or another run cites
    such content and `every` does not say that it goes from that one, too. Refused where the value is nowhere.
    """
    texts = spellings(value)
    run = find_run(workspace, ref)
    if run.status is RunStatus.RUNNING:
        raise InUse(f"run {run.id[:8]} cannot be scrubbed: it is running", "end it first")
    job = _Job(workspace, texts, why, dry_run=dry_run)
    with workspace.store.settling_content():
        job.look(run, every=every)
        places = [place for each in job.runs for place in job.scrub(each)]
        job.drop()
    left = _left(workspace, job, run, value)
    if not places and not left:
        raise Refused(f"the value is nowhere in run {run.id[:8]}", "give it as it was written, on standard input: -")
    now = run if dry_run else workspace.store.run(run.id)
    return Scrubbed(run=now, places=places, also=[each.id for each in job.runs[1:]], left=left)


class _Job:
    """One value, the runs it is taken out of, and the content that goes with it."""

    def __init__(self, workspace: Workspace, texts: list[str], why: str, *, dry_run: bool) -> None:
        self.workspace, self.store, self.texts = workspace, workspace.store, texts
        self.data = [text.encode("utf-8", "surrogateescape") for text in texts]
        self.why, self.dry_run = kept_reason(why), dry_run
        self.runs: list[Run] = []
        self.gone: set[str] = set()

    def look(self, run: Run, *, every: bool) -> None:
        """Find the content that holds the value, and the runs that share it."""
        held = {digest: path for path, digest in _content(run).items() if self.store.content_holds(digest, self.data)}
        self.gone = set(held)
        others = [
            each
            for each in (self.store.find_runs().runs if held else [])
            if each.id != run.id and self.gone & set(_content(each).values())
        ]
        if others and not every:
            names = ", ".join(each.id[:8] for each in others[:8])
            raise InUse(
                f"{next(iter(held.values()))} holds the value, and is content of other runs, too: {names}",
                "mlcli scrub --all takes it out of them as well",
            )
        if running := next((each for each in others if each.status is RunStatus.RUNNING), None):
            raise InUse(f"run {running.id[:8]}, which shares the content, is running", "end it first")
        self.runs = [run, *others]

    def scrub(self, run: Run) -> list[Place]:
        """Take the value out of one run and its versions; where it was."""
        _, found = run_without(run, self.texts)
        places = [Place(where=part, count=count) for part, count in sorted(found.items()) if count]
        if printed := self.store.clean_output(run.id, self.data, dry_run=self.dry_run):
            places.append(Place(where="output", count=printed))
        lost = {path: digest for path, digest in _content(run).items() if digest in self.gone}
        places += [Place(where=path, count=1) for path in sorted(lost)]
        note = Scrub(
            at=self.workspace.now(),
            by=self.workspace.person(),
            places=sum(place.count for place in places),
            objects=sorted(set(lost.values())),
        )
        if places and not self.dry_run:
            self.store.change_run(run.id, lambda now: _noted(now, self.texts, note))
            self.store.detach(run.id, [file.path for file in run.artifacts if file.digest in self.gone])
        for version in self.store.marked_versions("run", [run.id]):
            if count := self._scrub_version(version, note):
                places.append(Place(where=version.ref, count=count))
        return places

    def drop(self) -> None:
        """Take the content that held the value, and what is derived, for good."""
        if self.dry_run:
            return
        for digest in sorted(self.gone):
            self.store.drop_content(digest)
        self.store.forget_derived()

    def _scrub_version(self, version: ModelVersion, note: Scrub) -> int:
        _, found = run_without(version.run, self.texts)
        gone = self.gone & {file.digest for file in version.run.artifacts}
        cleaned, reasons = version_without(version, _noted(version.run, self.texts, note), self.texts)
        count = found.total() + reasons
        if not self.dry_run:
            with self.store.changing(version.model):
                if count or gone:
                    self._replaced(version, cleaned)
                restate(self.workspace, version.model, self.store.history(version.model))
        return count or len(gone)

    def _replaced(self, version: ModelVersion, cleaned: ModelVersion) -> None:
        history = self.store.history(version.model)
        told = drafted(self.workspace, version, Action.SCRUBBED, history, why=self.why, number=version.number)
        self.store.replace_version(version, cleaned, told)


def _noted(run: Run, texts: list[str], note: Scrub) -> Run:
    return replace(run_without(run, texts)[0], scrubs=[*run.scrubs, note])


def _content(run: Run) -> dict[str, str]:
    """The content that was kept of a run, by path: {path: digest}."""
    found = {each.path: each.digest for each in run.inputs if each.kept and each.digest}
    found |= {each.path: each.digest for each in run.outputs if each.kept and each.digest}
    return found | {file.path: file.digest for file in run.artifacts}


def _left(workspace: Workspace, job: _Job, run: Run, value: str) -> list[Left]:
    """Where the value lies that is not taken out: in the store under a name, in the trash, in git."""
    found = [] if job.dry_run else workspace.store.left_with(run.id, job.data)
    left = [Left(where=f".mlruns/{name}", hint=_hint_for(name)) for name in found]
    try:
        return left + _left_in_git(workspace, job, run, value)
    except GitError:
        return left


def _hint_for(name: str) -> str:
    if name.startswith("models/"):
        events = "/events/" in name
        return "a history is not rewritten: change the secret" if events else "mlcli scrub the run of that version, too"
    return "mlcli gc --older-than 0" if name.startswith("trash/") else "mlcli rm the run, then mlcli gc --older-than 0"


def _left_in_git(workspace: Workspace, job: _Job, run: Run, value: str) -> list[Left]:
    left = []
    git = workspace.repository
    line = max(value.splitlines(), key=len)
    commits = {commit for commit in (run.git.commit, run.git.code) if commit}
    for commit in sorted(git.commits_holding(commits, line)):
        if run.git.snapshot is not None and commit == run.git.snapshot.commit:
            hint = f"git update-ref -d {workspace.code_ref(commit)} && git gc --prune=now"
            left.append(Left(where=f"commit {commit[:7]}, which keeps its uncommitted code", hint=hint))
        else:
            left.append(Left(where=f"commit {commit[:7]}", hint="git filter-repo --replace-text FILE"))
    if any(text in document for document in workspace.versions_in_git() for text in job.data):
        hint = "git commit what changed in .mlruns/models, then git filter-repo --replace-text FILE"
        left.append(Left(where="the registry as git has it", hint=hint))
    return left
