"""What is found on the way of one answer: runs and versions by their marks, each read once."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..domain.history import History
from ..domain.model import ModelVersion
from ..domain.run import Run
from ..domain.stage import Stage
from ..errors import MlcliError, NotFound
from ..lookup import history_of
from ..workspace import Workspace

# {digest: the runs that made it, newest first}
Makers = dict[str, list[Run]]


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

    def having(self, mark: str, values: Collection[str]) -> list[Run]:
        """The runs that have one of these marks, newest first."""
        if not values:
            return []
        found = {run.id: run for run in self.workspace.store.marked_runs(mark, values)}
        self._here.update(dict.fromkeys(found, True))
        for version in self.versions(mark, values):
            found.setdefault(version.run.id, version.run)
        return sorted(found.values(), key=lambda run: (run.started_at, run.id), reverse=True)

    def makers(self, digests: Collection[str]) -> Makers:
        """Who made content of these digests."""
        found: Makers = {}
        for run in self.having("output", digests):
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


def made_for(reader: Run, makers: Makers) -> dict[str, list[str]]:
    """{id of a run: the paths of what the reader read of it}.

    Of several that made the same, it is the newest that had ended when the reader began.
    """
    found: dict[str, list[str]] = {}
    for each in reader.inputs:
        for maker in makers.get(each.digest, ()):
            if maker.id != reader.id and maker.ended_at is not None and maker.ended_at <= reader.started_at:
                found.setdefault(maker.id, []).append(each.path)
                break
    return {maker: sorted(set(paths)) for maker, paths in found.items()}


def by_id(runs: Iterable[Run]) -> dict[str, Run]:
    """{id: run}."""
    return {run.id: run for run in runs}
