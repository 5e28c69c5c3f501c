"""Whether the code that versions were made from can be found again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from ..domain.checked import CheckedVersion
from ..domain.source import FETCH_CODE, GitState
from ..domain.stage import Stage
from ..errors import GitError
from ..workspace import Workspace
from .finding import Finding, Severity, doubt

Told = tuple[str, Severity, str, str]


class _Weather(Struct, frozen=True):
    """What git says of the commits of versions: which are not here, on no branch, kept by no ref, or damaged."""

    missing: set[str] = set()
    unreachable: set[str] = set()
    unkept: set[str] = set()
    damaged: set[str] = set()


def check_commits(
    workspace: Workspace, versions: Sequence[CheckedVersion], stages: dict[str, Stage]
) -> Iterator[Finding]:
    """Look up the commits of all versions at once."""
    try:
        weather = _weather(workspace, versions)
    except GitError as error:
        yield doubt("git", ".", f"commits could not be looked up: {error.message}", error.hint)
        weather = _Weather()
    for version in versions:
        git, grave = version.run.git, Severity.ERROR if stages[version.digest].exclusive else Severity.WARNING
        for told in (_check_commit(workspace, git, weather, grave), _check_snapshot(git, weather, grave)):
            for code, severity, message, hint in told:
                yield Finding(code=code, severity=severity, subject=version.ref, message=message, hint=hint)


def _weather(workspace: Workspace, versions: Sequence[CheckedVersion]) -> _Weather:
    states = [version.run.git for version in versions]
    commits = {state.commit for state in states if state.commit}
    snapshots = {state.snapshot.commit: state.commit for state in states if state.snapshot}
    if not commits and not snapshots:
        return _Weather()
    git = workspace.repository
    missing = git.missing_commits({*commits, *snapshots})
    unreachable = git.unreachable_commits(commits - missing)
    here = {snapshot: parent for snapshot, parent in snapshots.items() if snapshot not in missing}
    return _Weather(
        missing,
        unreachable,
        git.unkept_commits({*unreachable, *here}),
        git.unreadable_snapshots({key: None if parent in missing else parent for key, parent in here.items()})
        if here
        else set(),
    )


def _check_commit(workspace: Workspace, git: GitState, weather: _Weather, grave: Severity) -> Iterator[Told]:
    short = (git.commit or "")[:7]
    if git.commit is None:
        reason = git.reason or "unknown"
        yield "no-commit", grave, f"its run has no commit: {reason}", "commit, then run and register again"
    elif git.commit in weather.missing:
        message = f"commit {short} is not in this repository{_again(workspace, git)}"
        yield "commit-missing", grave, message, f"git fetch --all; {FETCH_CODE}"
    elif git.commit in weather.unreachable:
        held = git.commit not in weather.unkept
        message = f"commit {short} is on no branch or tag{_again(workspace, git)}"
        message += "; only mlcli's own ref keeps it" if held else ""
        hint = f"git branch keep-{short} {short}"
        yield "commit-unreachable", Severity.WARNING if held else grave, message, hint


def _again(workspace: Workspace, git: GitState) -> str:
    """Where the code of a commit is that was rewritten: '; the same patch is f020328 on main'."""
    again = workspace.rewritten(git)
    return f"; the same {again.what} is {again.commit[:7]} on {again.on}" if again else ""


def _check_snapshot(git: GitState, weather: _Weather, grave: Severity) -> Iterator[Told]:
    """What a model was made from that was not committed: whether it was kept, and can be read."""
    if not git.dirty:
        return
    files = [*git.changed, *git.untracked]
    more = f" and {len(files) - 1 + git.left_out} more" if len(files) + git.left_out > 1 else ""
    message = f"it was made from uncommitted code: {files[0] if files else 'changes'}{more}"
    yield "dirty", grave, message, "commit, then run and register again"
    if git.snapshot is None:
        return
    short = git.snapshot.commit[:7]
    if git.snapshot.commit in weather.missing:
        message = f"{short}, which keeps its uncommitted code, is not in this repository"
        yield "snapshot-missing", Severity.WARNING, message, FETCH_CODE
    elif git.snapshot.commit in weather.damaged:
        message = f"{short}, which keeps its uncommitted code, cannot be read in full"
        yield "snapshot-damaged", grave, message, f"git fsck; {FETCH_CODE}"
    elif git.snapshot.commit in weather.unkept:
        message = f"no ref leads to {short}, which keeps its uncommitted code: git will drop it"
        yield "snapshot-unkept", Severity.WARNING, message, "mlcli doctor --fix"
