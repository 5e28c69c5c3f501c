"""What is found on the way of one answer: runs and versions by their marks, each read once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from ..domain.history import History
from ..domain.model import ModelVersion
from ..domain.run import Run
from ..domain.stage import Stage
from ..errors import MlcliError, NotFound
from ..lookup import history_of
from ..workspace import Workspace

# {digest: the runs that made it, oldest first}
Makers = dict[str, list[Run]]
_FEW = 8


class Known:
    """Finds runs also where only a version tells of them, as in a clone without runs.

    `problems` takes what cannot be read on the way, which is raised otherwise.
    """

    def __init__(self, workspace: Workspace, problems: list[MlcliError] | None) -> None:
        self.workspace, self.problems = workspace, problems
        self.models = workspace.store.models()
        self._histories: dict[str, History] = {}
        self._here: dict[str, bool] = {}
        self._runs: dict[str, Run | None] = {}

    def having(
        self, mark: str, values: Collection[str], *, before: datetime | None = None, each: int | None = None
    ) -> list[Run]:
        """The runs that have one of these marks, newest first; those that had begun `before`, and of `each` so many."""
        if not values:
            return []
        found = by_id(self.workspace.store.marked_runs(mark, values, before=before, each=each))
        self._here.update(dict.fromkeys(found, True))
        for version in self.versions(mark, values):
            found.setdefault(version.run.id, version.run)
        return sorted(found.values(), key=lambda run: (run.started_at, run.id), reverse=True)

    def makers(self, readers: Collection[Run], among: Collection[str] | None = None) -> Makers:
        """Who can have made what these read, of all content or `among` some.

        Where thousands made the same, a few of them tell.
        """
        read = {each.digest for run in readers for each in run.inputs if each.digest}
        digests = read if among is None else read & set(among)
        if not digests:
            return {}
        before = max(run.started_at for run in readers)
        found = self._made(digests, before, _FEW)
        many = {digest for digest in digests if len(found.get(digest, ())) >= _FEW}
        lacking = {
            each.digest
            for run in readers
            for each in run.inputs
            if each.digest in many and maker_for(run, found[each.digest]) is None
        }
        return {**found, **self._made(lacking, before, None)}

    def _made(self, digests: Collection[str], before: datetime, each: int | None) -> Makers:
        found: Makers = {}
        for run in reversed(self.having("output", digests, before=before, each=each)):
            for mark, digest in run.marks:
                if mark == "output" and digest in digests:
                    found.setdefault(digest, []).append(run)
        return found

    def versions(self, mark: str, values: Collection[str]) -> list[ModelVersion]:
        """The versions that have one of these marks."""
        return self.workspace.store.marked_versions(mark, values, self.models) if self.models and values else []

    def run(self, run_id: str) -> Run | None:
        """The run of that id, from a version where it is not here itself; None where nobody tells of it."""
        if run_id not in self._runs:
            self._runs[run_id] = self._run(run_id)
        return self._runs[run_id]

    def _run(self, run_id: str) -> Run | None:
        try:
            found = self.workspace.store.run(run_id)
        except NotFound:
            self._here[run_id] = False
        except MlcliError as problem:
            if self.problems is None:
                raise
            self.problems.append(problem)
        else:
            self._here[run_id] = True
            return found
        return next((version.run for version in self.versions("run", [run_id])), None)

    def is_here(self, run_id: str) -> bool:
        """Whether the run itself is in this clone, and not only a version that tells of it."""
        if run_id not in self._here:
            self._here[run_id] = run_id in self.workspace.store.run_ids(run_id)
        return self._here[run_id]

    def stage_of(self, version: ModelVersion) -> Stage:
        """Where a version stands."""
        if version.model not in self._histories:
            self._histories[version.model] = history_of(self.workspace, version.model, self.problems)
        return self._histories[version.model].stage_of(version.digest)


def maker_for(reader: Run, makers: Sequence[Run]) -> Run | None:
    """Of several that made the same, the newest that had ended when the reader began."""
    for at in reversed(range(bisect_right(makers, reader.started_at, key=lambda run: run.started_at))):
        maker = makers[at]
        if maker.id != reader.id and maker.ended_at is not None and maker.ended_at <= reader.started_at:
            return maker
    return None


def made_for(reader: Run, makers: Makers) -> dict[str, list[str]]:
    """{id of a run: the paths of what the reader read of it}."""
    found: dict[str, set[str]] = {}
    for each in reader.inputs:
        maker = maker_for(reader, makers.get(each.digest, ()))
        if maker is not None:
            found.setdefault(maker.id, set()).add(each.path)
    return {maker: sorted(paths) for maker, paths in found.items()}


def by_id(runs: Iterable[Run]) -> dict[str, Run]:
    """{id: run}."""
    return {run.id: run for run in runs}
