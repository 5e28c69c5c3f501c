"""Find the commit that made a metric worse: by recorded runs where there are some, by new ones where there are none."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from .checkout import Source, source_of
from .domain.query import Both, Compare, Negated
from .domain.run import ParamSource, Run, RunStatus
from .domain.source import Command, Environment, GitState, Person
from .errors import MlcliError, NotFound
from .gitrepo import history, read_state, worktrees
from .rerun import Again, repeatable, restore, run_again, worktree
from .tracking import Given
from .workspace import Workspace


class Limit(Struct, frozen=True, kw_only=True):
    """What a metric is held to: at least `least`, or at most `most`. NaN is never good."""

    metric: str
    least: float | None = None
    most: float | None = None

    def allows(self, value: float) -> bool:
        """Whether a value is good."""
        return value >= self.least if self.least is not None else self.most is not None and value <= self.most


class Judged(str, Enum):
    """How a commit did: a run that fails, or logs no such metric, says nothing."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"


class Measured(Struct, frozen=True, kw_only=True):
    """A commit with the run that measured it, and whether that was recorded before."""

    commit: str
    judged: Judged
    run_id: str
    value: float | None
    recorded: bool


class Bisected(Struct, frozen=True, kw_only=True):
    """What was found: the first bad commit, or the candidates that are left where some could not be measured.

    `before` measured what the first bad commit was made on top of. `untried` are, in a rehearsal, the commits of which
    some would be run.
    """

    limit: Limit
    first_bad: Measured | None = None
    before: Measured | None = None
    candidates: list[str] = []
    measured: list[Measured] = []
    untried: list[str] = []


class Hunt(Struct, frozen=True, kw_only=True):
    """What was asked of a bisection, and whom to tell how it goes on: each measure, and how many commits are left.

    `command` is run where no recorded one is to be, in `cwd`, relative to the workspace.
    """

    limit: Limit
    good: str
    bad: str
    command: Sequence[str] = ()
    cwd: str = "."
    dry_run: bool = False
    announce: Callable[[Run], None] = lambda run: None
    tell: Callable[[Measured, int], None] = lambda measured, left: None


def bisect(workspace: Workspace, hunt: Hunt) -> Bisected:
    """Between a good commit and a bad one, find the first that is bad.

    A commit that was measured before, by the same command and declared params, is not run again; any other is run in a
    worktree of its own, as a run like any other. One whose run fails is passed over.
    """
    root = worktrees.root_of(workspace.root)
    good, bad = source_of(workspace, hunt.good), source_of(workspace, hunt.bad)
    _require_line(root, hunt, good.commit, bad.commit)
    found = _recorded(workspace, hunt.limit.metric)
    template = _template(workspace, hunt, [bad, good], found)
    alike = {run.git.code or "": run for run in reversed(found) if _is_alike(run, template)}
    search = _Search(workspace, root, hunt, template, alike)
    for commit, ref, wanted in ((good.commit, hunt.good, Judged.GOOD), (bad.commit, hunt.bad, Judged.BAD)):
        measured = search.measured(commit)
        if measured is not None and measured.judged is not wanted:
            told = f"{ref} is not {wanted.value}: {_told(measured, hunt)}"
            raise MlcliError(told, f"mlcli show {measured.run_id[:8]}")
    return search.narrowed(good.commit, bad.commit)


class _Search:
    """Measures commits, each once, and narrows them down."""

    def __init__(self, workspace: Workspace, root: str, hunt: Hunt, template: Run, recorded: dict[str, Run]) -> None:
        self.workspace, self.root, self.hunt, self.template = workspace, root, hunt, template
        self.recorded = recorded
        self.known: dict[str, Measured] = {}
        self.untried: list[str] = []
        self.left = 0

    def narrowed(self, good: str, bad: str) -> Bisected:
        """The first bad commit, as far as the commits between can be measured."""
        goods, passed = [good], set(self.untried)
        while left := [commit for commit in history.halving(self.root, bad, goods) if commit != bad]:
            self.left = len(left)
            open_ = [commit for commit in left if commit not in passed]
            # What was recorded costs nothing: it is asked first, wherever it lies.
            chosen = next((commit for commit in open_ if commit in self.recorded), open_[0] if open_ else None)
            if chosen is None:
                break
            measured = self.measured(chosen)
            if measured is None or measured.judged is Judged.SKIPPED:
                passed.add(chosen)
            elif measured.judged is Judged.GOOD:
                goods.append(chosen)
            else:
                bad = chosen
        told = list(self.known.values())
        limit = self.hunt.limit
        if self.untried or (left and self.hunt.dry_run):
            return Bisected(limit=limit, candidates=[*left, bad], measured=told, untried=self.untried)
        if left:
            return Bisected(limit=limit, candidates=[*left, bad], measured=told)
        return Bisected(limit=limit, first_bad=self.known[bad], before=self._before(bad, good), measured=told)

    def measured(self, commit: str) -> Measured | None:
        """How a commit did, by a recorded run or a new one; None where it would have to be run in a rehearsal."""
        if commit in self.known:
            return self.known[commit]
        run = self.recorded.get(commit)
        if run is None and self.hunt.dry_run:
            self.untried.append(commit)
            return None
        made = run or self._run(commit)
        metric = made.metrics.get(self.hunt.limit.metric) if made.status is RunStatus.FINISHED else None
        judged = Judged.SKIPPED
        if metric is not None:
            judged = Judged.GOOD if self.hunt.limit.allows(metric.last) else Judged.BAD
        self.known[commit] = Measured(
            commit=commit,
            judged=judged,
            run_id=made.id,
            value=metric.last if metric else None,
            recorded=run is not None,
        )
        self.hunt.tell(self.known[commit], self.left)
        return self.known[commit]

    def _run(self, commit: str) -> Run:
        repeatable(self.template)
        note = f"mlcli bisect of {self.hunt.limit.metric}"
        with worktree(self.workspace, commit) as place:
            state, _ = read_state(place.root)
            inputs = restore(self.workspace, place, self.template.inputs, of_commit=True)
            again = Again(recorded=self.template, git=state, given=Given(note=note), inputs=inputs)
            return run_again(self.workspace, place, again, announce=self.hunt.announce).run

    def _before(self, bad: str, good: str) -> Measured | None:
        """The measure of what the first bad commit was made on top of, else of the commit that was said to be good."""
        measured = [self.known[parent] for parent in history.parents(self.root, bad) if parent in self.known]
        return next((each for each in measured if each.judged is Judged.GOOD), self.known.get(good))


def _require_line(root: str, hunt: Hunt, good: str, bad: str) -> None:
    """An error where the good commit is no ancestor of the bad one."""
    common = history.common_ancestor(root, good, bad)
    if good == bad:
        raise MlcliError(f"{hunt.good} and {hunt.bad} are the same commit {good[:7]}", "git log --oneline")
    if common == bad:
        raise MlcliError(
            f"{hunt.good} comes after {hunt.bad}: the good commit is to be the earlier one",
            "where the metric became better since, say what was worse: swap --min and --max, too",
        )
    if common != good:
        told = (
            f"git bisect would begin at {common[:12]}: try that as GOOD" if common else "they have no history together"
        )
        raise MlcliError(f"{hunt.good} is no ancestor of {hunt.bad}", told)


def _recorded(workspace: Workspace, metric: str) -> list[Run]:
    """The finished runs whose code is known to the byte and that have the metric, newest first."""
    if not workspace.store.is_made():
        return []
    has = Negated(Compare(("metrics", metric), "isnull", None))
    finished = Compare(("status",), "=", RunStatus.FINISHED.value)
    runs = workspace.store.find_runs(Both(finished, has), whole=False).runs
    return [run for run in runs if run.git.code and not run.git.lost]


def _template(workspace: Workspace, hunt: Hunt, ends: Sequence[Source], recorded: Sequence[Run]) -> Run:
    """The run whose command is to be run where nothing is recorded."""
    commits = [end.commit for end in ends]
    found = next((end.run for end in ends if end.run), None)
    there = [run for commit in commits for run in recorded if run.git.code == commit]
    run = found or (workspace.store.run(there[0].id) if there else None)
    if not hunt.command:
        if run is None:
            raise NotFound(
                f"no run with {hunt.limit.metric} is recorded at {hunt.good} or {hunt.bad}",
                "say what to run: mlcli bisect … -- python train.py",
            )
        return run
    command = Command(argv=list(hunt.command), cwd=hunt.cwd)
    if run is not None:
        return replace(run, command=command, status=RunStatus.FINISHED, params={}, inputs=[])
    return Run(
        id="", name="bisect", status=RunStatus.FINISHED, started_at=workspace.now(), command=command, git=GitState(),
        environment=Environment(), user=Person(), experiment=workspace.settings.experiment,
    )  # fmt: skip


def _is_alike(run: Run, template: Run) -> bool:
    """Whether a run is of the same command and the same declared params."""
    return _asked(run) == _asked(template) and not run.command.masked


def _asked(run: Run) -> tuple[object, ...]:
    command = run.command
    declared = {key: param.value for key, param in run.params.items() if param.source is ParamSource.DECLARED}
    return os.path.basename(command.argv[0]) if command.argv else "", command.argv[1:], command.cwd, declared


def _told(measured: Measured, hunt: Hunt) -> str:
    if measured.value is None:
        return f"its run logged no {hunt.limit.metric}, or failed"
    return f"{hunt.limit.metric} is {measured.value:g} there"
