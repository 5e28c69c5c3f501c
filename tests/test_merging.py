"""Branches of a registry become one: nothing is lost, no number is used twice, and what nobody can know is asked."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from mlcli import checking, doctor, registry, scrubbing, trash
from mlcli.domain.history import Action
from mlcli.domain.stage import Stage
from mlcli.store import schema
from mlcli.workspace import Workspace

MODEL = ".mlruns/models/iris"
ABSENT = {"artifact-missing"}  # what stays on the machine that made it


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


class Team:
    """One clone, and what is done in it."""

    def __init__(self, workspace: Workspace, record) -> None:
        self.workspace, self.record = workspace, record
        self.root = Path(workspace.root)

    def git(self, *arguments: str, ok: bool = True) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=ok)
        return done.stdout + done.stderr

    def on(self, branch: str, start: str = "main") -> Team:
        known = self.git("branch", "--list", branch)
        self.git("checkout", "-q", *([branch] if known else ["-b", branch, start]))
        return self

    def commit(self, message: str = "work") -> Team:
        self.git("add", ".mlruns")
        self.git("commit", "-qm", message)
        return self

    def register(self, content: str, *moves: str) -> Team:
        """Register a new version, and promote it to these stages; committed."""
        version = registry.register(self.workspace, "iris", self.record(model=content).id).version
        for stage in moves:
            registry.promote(self.workspace, version.ref, stage)
        return self.commit(content)

    def do(self, verb: str, *arguments: str) -> Team:
        getattr(registry, verb)(self.workspace, *arguments)
        return self.commit(f"{verb} {arguments}")

    def merge(self, branch: str, *options: str) -> str:
        return self.git("merge", "--no-edit", *options, branch, ok=False)

    def fix(self) -> list[str]:
        return doctor.examined(self.workspace, fix=True).mended

    def settle(self, *promoted: str) -> Team:
        """End a merge: fix, promote, commit."""
        self.fix()
        for text in promoted:
            registry.promote(self.workspace, *text.split())
        self.git("add", ".mlruns")
        self.git("commit", "--allow-empty", "-qm", "Merged")
        return self

    def codes(self) -> list[tuple[str, str]]:
        """What check finds; not of commits that a rebase wrote anew, nor of the clock that tests set by hand."""
        found = checking.check(self.workspace).findings
        return [(each.code, each.subject) for each in found if each.code not in {"commit-unreachable", "event-future"}]

    def held(self) -> dict[int, str]:
        """What each number is, told by the file that was registered."""
        store = self.workspace.store
        versions = [store.version("iris", number) for number in store.version_numbers("iris")]
        return {v.number: Path(self.workspace.store.content_path(v.files[0])).read_text() for v in versions}

    def conflicts(self) -> list[str]:
        return self.git("diff", "--name-only", "--diff-filter=U").split()

    def status(self) -> list[str]:
        return [line for line in self.git("status", "--short").splitlines() if line]

    def production(self) -> int | None:
        held = self.workspace.store.holder("iris", Stage.PRODUCTION)
        return held.number if held else None


@pytest.fixture
def team(workspace, record) -> Team:
    """Main with iris@1 in production and iris@2."""
    team = Team(workspace, record)
    team.register("one", "production").register("two")
    return team


@pytest.fixture
def both(team) -> Team:
    """Each of main and feature registered its own iris@3; main is checked out."""
    team.on("feature").register("of feature")
    return team.on("main").register("of main")


@pytest.fixture
def torn(team) -> Team:
    """Each of main and feature registered its own iris@3 and promoted it; main is checked out."""
    team.on("feature").register("of feature", "production")
    return team.on("main").register("of main", "production")


AFTER = {1: "one", 2: "two", 3: "of main", 4: "of feature"}


# Names that differ


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (("promote", "iris@2", "staging"), ("alias", "iris@1", "champion")),
        (("alias", "iris@1", "champion"), ("approve", "iris@1")),
        (("alias", "iris@1", "champion"), ("alias", "iris@2", "challenger")),
        (("note", "iris@1", "good"), ("tag", "iris@1", {"team": "a"})),
        (("approve", "iris@2"), ("rollback", "iris", "production")),
        (("promote", "iris@1", "archived"), ("promote", "iris@2", "staging")),
    ],
    ids=lambda each: each[0],
)
@pytest.mark.parametrize("into", ["main", "feature"])
def test_claims_on_different_names_merge_cleanly_and_nothing_is_left_to_do(team, here, there, into):
    team.do("promote", "iris@2", "production").do("promote", "iris@1", "production")
    team.on("feature").do(*here)
    team.on("main").do(*there)
    assert "CONFLICT" not in team.on(into).merge({"main": "feature", "feature": "main"}[into])
    assert (team.codes(), team.fix(), team.status()) == ([], [], [])


def test_other_models_merge_cleanly(team):
    run = team.record(model="new")
    team.on("feature")
    registry.register(team.workspace, "wine", run.id)
    team.commit()
    team.on("main").register("three")
    assert "CONFLICT" not in team.merge("feature")
    assert (team.codes(), team.fix(), registry.models(team.workspace)[1].name) == ([], [], "wine")


# The same number


@pytest.mark.parametrize(("into", "told"), [
    ("main", "iris@3 of feature is iris@4 now: main has iris@3"),
    ("feature", "iris@3 of this branch is iris@4 now: main has iris@3"),
])  # fmt: skip
def test_upstream_keeps_its_number_whichever_way_round_the_merge_is(both, into, told):
    both.on(into).merge({"main": "feature", "feature": "main"}[into])
    assert both.conflicts() == [f"{MODEL}/versions/3.json"]
    both.root.joinpath("train.py").write_text("print('mine, not to be staged')\n")
    both.root.joinpath("mine.txt").write_text("mine\n")
    assert [problem.message for problem in doctor.examined(both.workspace).problems] == [f"--fix: {told}"]
    assert both.conflicts() == [f"{MODEL}/versions/3.json"]
    assert both.fix() == [told]
    assert {line for line in both.status() if ".mlruns" not in line} == {" M train.py", "?? mine.txt"}
    assert {line[:2] for line in both.status() if ".mlruns" in line} <= {"A ", "M "}
    both.git("checkout", "train.py")
    both.git("commit", "-qm", "Merged")
    assert (both.held(), both.codes(), both.fix()) == (AFTER, [], [])


def test_the_documents_are_byte_by_byte_what_was_registered(both):
    before = {branch: both.git("show", f"{branch}:{MODEL}/versions/3.json") for branch in ("main", "feature")}
    both.merge("feature")
    both.settle()
    after = [both.git("show", f"HEAD:{MODEL}/versions/{number}.json") for number in (3, 4)]
    assert after == [before["main"], before["feature"]]
    events = both.workspace.store.history("iris").events
    assert [(event.action, event.number) for event in events[-1:]] == [(Action.RENUMBERED, 4)]


def test_without_an_upstream_the_one_that_was_registered_first_keeps_the_number(team):
    team.on("second").register("later")
    team.on("first").register("even later")
    team.on("first").merge("second")
    assert team.fix() == ["iris@3 of this branch is iris@4 now: second has iris@3"]
    team.git("merge", "--abort")
    team.git("clean", "-fdq", MODEL)
    team.on("second").merge("first")
    assert team.fix() == ["iris@3 of first is iris@4 now: this branch has iris@3".replace("this branch", "second")]


def test_what_was_pushed_is_upstream_of_what_was_not(team, machine):
    team.git("clone", "-q", "--bare", ".", str(machine / "hub.git"))
    team.git("remote", "add", "origin", str(machine / "hub.git"))
    team.git("fetch", "-q")
    team.register("pushed").git("push", "-q", "origin", "main")
    team.git("fetch", "-q")
    team.git("reset", "-q", "--hard", "HEAD~1")
    team.register("mine").git("branch", "-q", "--set-upstream-to=origin/main")
    team.git("pull", "-q", "--no-rebase", "--no-edit", ok=False)
    assert team.fix() == ["iris@3 of this branch is iris@4 now: origin/main has iris@3"]


def test_numbers_that_any_branch_used_are_not_used_again(both):
    both.on("other").register("third").register("fourth").on("main")
    both.merge("feature")
    assert both.fix() == ["iris@3 of feature is iris@6 now: main has iris@3"]


def test_fixing_again_changes_nothing(both):
    both.merge("feature")
    both.fix()
    before = both.git("ls-files", "-s"), both.status()
    assert (both.fix(), (both.git("ls-files", "-s"), both.status())) == ([], before)


def test_a_fix_that_was_killed_half_way_is_ended_by_another(both):
    before = both.git("show", f"feature:{MODEL}/versions/3.json")
    both.merge("feature")
    (both.root / MODEL / "versions/4.json").write_text(before)  # so far it had come
    assert both.fix() == ["iris@3 of feature is iris@4 now: main has iris@3"]
    both.git("commit", "-qm", "Merged")
    assert (both.held(), both.codes(), both.status()) == (AFTER, [], [])


# The same stage or alias


def test_a_stage_that_both_moved_is_settled_by_the_next_promotion(team):
    team.register("three")
    team.on("feature").do("promote", "iris@2", "production")
    team.on("main").do("promote", "iris@3", "production")
    team.merge("feature")
    assert team.conflicts() == [f"{MODEL}/stages/production.json"]
    [told] = team.fix()
    assert told.startswith("iris@production says iris@")
    assert told.endswith("branches gave it apart, so decide: mlcli promote iris@N production")
    assert (team.conflicts(), team.codes()) == ([], [("unsettled", "iris@production")])
    heads = team.workspace.store.history("iris").heads
    registry.promote(team.workspace, "iris@3", "production")
    assert (len(heads), team.workspace.store.history("iris").events[-1].parents) == (2, heads)
    assert (team.commit().codes(), team.production()) == ([], 3)


def test_an_alias_that_both_gave_is_settled_by_giving_it_again(team):
    team.on("feature").do("alias", "iris@1", "champion")
    team.on("main").do("alias", "iris@2", "champion")
    team.merge("feature")
    assert team.conflicts() == [f"{MODEL}/aliases/champion.json"]
    assert "mlcli alias iris@N champion" in team.fix()[0]
    assert (team.conflicts(), team.codes()) == ([], [("unsettled", "iris@champion")])
    registry.alias(team.workspace, "iris@2", "champion")
    assert team.commit().codes() == []


def test_a_stage_that_both_gave_to_the_same_version_needs_nobody_to_decide(team):
    team.on("feature").do("promote", "iris@2", "production")
    team.on("main").do("promote", "iris@2", "production")
    team.merge("feature")
    assert team.fix() == ["iris@production says iris@2, as the history adds up to"]
    team.git("commit", "-qm", "Merged")
    assert (team.codes(), team.status()) == ([], [])


@pytest.mark.parametrize("into", ["main", "feature"])
def test_a_number_and_a_stage_at_once_take_one_fix_and_one_promotion(torn, into):
    torn.on(into).merge({"main": "feature", "feature": "main"}[into])
    assert torn.conflicts() == [f"{MODEL}/stages/production.json", f"{MODEL}/versions/3.json"]
    torn.fix()
    assert (torn.conflicts(), torn.codes()) == ([], [("unsettled", "iris@production")])
    registry.promote(torn.workspace, "iris@4", "production")
    assert (torn.commit().codes(), torn.held(), torn.production(), torn.fix()) == ([], AFTER, 4, [])
    assert len({v.version.run.id for v in registry.models(torn.workspace)[0].versions}) == 4


# Three branches, and merges that cross


@pytest.fixture
def three(team) -> Team:
    """Each of main, b and c registered its own iris@3 and promoted it."""
    for branch in ("b", "c"):
        team.on(branch).register(f"of {branch}", "production")
    return team.on("main").register("of main", "production")


def merged_in(team: Team, order: tuple[str, ...]) -> list[list]:
    """What check finds after each of these merges."""
    found = []
    for branch in order:
        assert "CONFLICT" in team.merge(branch)
        found.append(team.settle("iris@3 production").codes())
    return found


@pytest.mark.parametrize("order", [("b", "c"), ("c", "b")])
def test_three_branches_that_diverged_are_one_in_any_order(three, order):
    first, second = order
    assert merged_in(three, order) == [[], []]
    assert three.held() == {1: "one", 2: "two", 3: "of main", 4: f"of {first}", 5: f"of {second}"}
    assert (three.production(), three.fix(), three.status()) == (3, [], [])


def test_mains_that_were_merged_in_different_orders_become_one(three):
    three.git("branch", "other")
    assert merged_in(three, ("b", "c")) == [[], []]
    assert merged_in(three.on("other"), ("c", "b")) == [[], []]
    assert "CONFLICT" in three.on("main").merge("other")
    three.settle("iris@3 production")
    assert (three.codes(), three.fix()) == ([], [])
    assert three.held() == {1: "one", 2: "two", 3: "of main", 4: "of b", 5: "of c"}


def test_merges_that_cross_each_other_end_in_one_history(torn):
    torn.git("branch", "main-before")
    torn.on("main").merge("feature")
    torn.settle("iris@3 production")
    torn.on("feature").merge("main-before")
    torn.settle("iris@5 production")
    assert torn.held() == {1: "one", 2: "two", 3: "of main", 5: "of feature"}
    torn.on("main").merge("feature")
    torn.settle("iris@4 production")
    assert (torn.held(), torn.codes(), torn.production()) == (AFTER, [], 4)
    torn.on("feature").merge("main")
    assert (torn.codes(), torn.fix(), torn.git("diff", "main")) == ([], [], "")


# What one side took away


@pytest.mark.parametrize("into", ["main", "feature"])
def test_a_version_that_one_side_removed_stays_removed_whatever_an_editor_did_to_it(team, into):
    team.register("three").git("branch", "feature")
    path = team.root / MODEL / "versions/3.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    team.commit().on("feature")
    trash.remove(team.workspace, ["iris@3"])
    team.commit()
    assert "CONFLICT" in team.on(into).merge({"main": "feature", "feature": "main"}[into])
    assert team.fix() == ["iris@3 was removed, says the history"]
    team.git("commit", "-qm", "Merged")
    assert (team.codes(), team.held(), team.status()) == ([], {1: "one", 2: "two"}, [])


@pytest.fixture
def secretive(team) -> Team:
    """A version, iris@3, whose run has two values that nobody should see."""
    run = team.record(model="three", params={"one": "first-value", "other": "second-value"})
    registry.register(team.workspace, "iris", run.id)
    return team.commit()


def without(team: Team, *values: str) -> Team:
    """Take those of the values out of iris@3 that are in it."""
    there = (team.root / MODEL / "versions/3.json").read_text()
    for value in values:
        if value in there:
            scrubbing.scrub(team.workspace, "iris@3", value)
    return team.commit()


def test_a_value_that_one_side_took_out_stays_out(secretive):
    without(secretive.on("feature"), "first-value")
    secretive.on("main").do("promote", "iris@3", "production")
    assert "CONFLICT" not in secretive.merge("feature")
    assert secretive.fix() == ["iris@production says 3 again, as the history does"]
    assert (secretive.commit().codes(), secretive.production()) == ([], 3)
    assert "first-value" not in (secretive.root / MODEL / "versions/3.json").read_text()


def test_values_that_each_side_took_out_are_told_as_one_is_in_it_again(secretive):
    without(secretive.on("feature"), "first-value")
    without(secretive.on("main"), "second-value")
    assert "CONFLICT" in secretive.merge("feature")
    [told] = secretive.fix()
    assert told.startswith("iris@3 had a value taken out on each side, and one of them is in it again")
    assert secretive.commit().codes() == []
    without(secretive, "first-value", "second-value")
    assert (secretive.codes(), secretive.fix()) == ([], [])
    assert "-value" not in (secretive.root / MODEL / "versions/3.json").read_text()


@pytest.mark.parametrize("into", ["main", "feature"])
def test_a_version_whose_file_one_side_deleted_by_hand_is_kept(team, into):
    team.register("three").git("branch", "feature")
    path = team.root / MODEL / "versions/3.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    team.commit().on("feature").git("rm", "-q", f"{MODEL}/versions/3.json")
    team.commit()
    assert "CONFLICT" in team.on(into).merge({"main": "feature", "feature": "main"}[into])
    team.fix()
    team.git("commit", "-qm", "Merged")
    assert (team.codes(), team.held(), team.status()) == ([], {1: "one", 2: "two", 3: "three"}, [])


def test_an_index_that_another_git_holds_is_told_and_the_fix_is_ended_later(both, mlcli):
    both.merge("feature")
    lock = both.root / ".git/index.lock"
    lock.touch()
    done = mlcli("doctor", "--fix", at=both.root)
    assert (done.returncode, "index.lock" in done.stderr, "Traceback" in done.stderr) == (3, True, False)
    lock.unlink()
    both.fix()
    both.git("commit", "-qm", "Merged")
    assert (both.held(), both.codes(), both.status()) == (AFTER, [], [])


# Other ways to bring branches together


def test_a_rebase_stops_for_the_number_and_goes_on(torn):
    torn.on("feature").register("fourth of feature")
    torn.git("rebase", "main", ok=False)
    assert torn.conflicts() == [f"{MODEL}/stages/production.json", f"{MODEL}/versions/3.json"]
    assert torn.fix()[0] == "iris@3 of feature is iris@5 now: main has iris@3"
    torn.git("-c", "core.editor=true", "rebase", "--continue")
    torn.settle("iris@5 production")
    assert torn.held() == {1: "one", 2: "two", 3: "of main", 4: "fourth of feature", 5: "of feature"}
    assert (torn.codes(), torn.production(), torn.fix(), torn.status()) == ([], 5, [], [])


def test_a_picked_promotion_brings_along_what_it_stands_on(team):
    team.on("feature").register("of feature").do("promote", "iris@3", "staging")
    team.on("main").git("cherry-pick", "feature")
    assert ("event-missing", "iris") in team.codes()
    told = team.fix()
    assert told == ["1 event of iris, back from git", "iris@3 was lost in a merge or deleted: it is back from git"]
    original = team.git("show", f"feature:{MODEL}/versions/3.json")
    assert team.root.joinpath(MODEL, "versions/3.json").read_text() == original
    assert (team.commit().codes(), team.held()[3]) == ([], "of feature")


def test_a_picked_registration_whose_number_is_taken_gets_another(both):
    both.git("cherry-pick", "feature", ok=False)
    assert both.conflicts() == [f"{MODEL}/versions/3.json"]
    short = both.git("rev-parse", "--short=7", "feature").strip()
    assert both.fix() == [f"iris@3 of {short} is iris@4 now: main has iris@3"]
    both.git("-c", "core.editor=true", "cherry-pick", "--continue")
    assert (both.held(), both.codes(), both.status()) == (AFTER, [], [])


def test_what_no_commit_has_any_more_is_told_and_left(team):
    team.on("feature").register("of feature").do("promote", "iris@3", "staging")
    team.on("main").git("cherry-pick", "feature")
    team.git("branch", "-qD", "feature")
    team.git("reflog", "expire", "--expire=now", "--all")
    team.git("gc", "-q", "--prune=now")
    assert ({code for code, _ in team.codes()} >= {"event-missing", "version-missing"}, team.fix()) == (True, [])


def test_a_reverted_registrations_number_is_not_used_again(team):
    team.register("three").git("revert", "--no-edit", "HEAD")
    assert (team.codes(), sorted(team.held())) == ([], [1, 2])
    assert sorted(team.register("four").held()) == [1, 2, 4]
    assert team.codes() == []


def test_a_reverted_merge_takes_its_numbers_with_it_for_good(both):
    both.merge("feature")
    both.settle()
    both.git("revert", "--no-edit", "-m", "1", "HEAD")
    assert (both.codes(), sorted(both.held())) == ([], [1, 2, 3])
    assert sorted(both.register("later").held()) == [1, 2, 3, 5]


def test_a_reverted_promotion_leaves_the_stage_to_the_one_before(team):
    team.do("promote", "iris@2", "production").git("revert", "--no-edit", "HEAD")
    assert (team.codes(), team.production()) == ([], 1)


def test_an_aborted_merge_leaves_everything_as_it_was(torn):
    torn.merge("feature")
    torn.git("merge", "--abort")
    assert (torn.codes(), torn.fix(), torn.status(), torn.held()[3]) == ([], [], [], "of main")


def test_a_squashed_merge_settles_the_same_way(torn):
    assert "CONFLICT" in torn.merge("feature", "--squash")
    torn.settle("iris@3 production")
    torn.git("branch", "-qD", "feature")
    assert (torn.held(), torn.codes(), torn.production()) == (AFTER, [], 3)


@pytest.mark.parametrize(("into", "side", "third"), [
    ("main", "ours", "of main"), ("main", "theirs", "of feature"), ("feature", "theirs", "of main"),
    ("feature", "ours", "of main"),  # main's number is main's, whatever was said here
])  # fmt: skip
def test_a_version_that_a_strategy_left_out_is_back_under_a_new_number(torn, into, side, third):
    other = {"main": "feature", "feature": "main"}[into]
    assert "CONFLICT" not in torn.on(into).merge(other, "-X", side)
    assert {("version-missing", "iris"), ("unsettled", "iris@production")} <= {*torn.codes()}
    torn.settle("iris@3 production")
    assert (torn.codes(), torn.fix(), torn.production(), torn.held()[3]) == ([], [], 3, third)
    assert sorted(torn.held().values()) == sorted(AFTER.values())


# What else git and editors do


@pytest.mark.parametrize(("options", "told"), [
    (["-u"], "iris@3 was lost in a merge: it is back from git as iris@4, as another has iris@3"),
    ([], "iris@3 of the other side is iris@4 now: main has iris@3"),
], ids=["untracked", "staged"])  # fmt: skip
def test_work_that_was_put_aside_comes_back_beside_what_came_meanwhile(team, options, told):
    team.on("feature").register("of feature").on("main")
    registry.register(team.workspace, "iris", team.record(model="put aside").id)
    team.git(*(["status"] if options else ["add", ".mlruns"]))
    team.git("stash", "-q", *options)
    team.git("merge", "-q", "feature")
    team.git("stash", "pop", ok=False)
    assert team.fix() == [told]
    assert team.commit().held() == {1: "one", 2: "two", 3: "of feature", 4: "put aside"}
    assert team.codes() == []


@pytest.mark.parametrize("options", [["stash", "-q"], ["stash", "-q", "-u"]])
def test_a_stash_and_its_return_change_nothing(team, options):
    registry.promote(team.workspace, "iris@2", "production")
    team.git("add", ".mlruns")
    team.git(*options)
    assert (team.codes(), team.production()) == ([], 1)
    team.git("stash", "pop")
    assert (team.codes(), team.production()) == ([], 2)


def test_without_its_runs_a_registry_says_all_it_said(team, mlcli):
    team.git("clean", "-qfdx")
    assert not (team.root / ".mlruns/runs").exists()
    commands = ("show iris@2", "lineage iris@1", "diff iris@1 iris@2", "history iris", "models")
    told = [mlcli(*command.split(), at=team.root) for command in commands]
    assert [done.returncode for done in told] == [0] * len(commands)
    assert {code for code, _ in team.codes()} <= ABSENT


def test_a_clone_with_windows_line_ends_merges_the_same_way(torn, machine):
    torn.git("clone", "-q", "-c", "core.autocrlf=true", ".", str(machine / "clone"))
    clone = Team(Workspace(str(machine / "clone"), now=torn.workspace.now), torn.record)
    assert b"\r\n" in (clone.root / MODEL / "versions/3.json").read_bytes()
    clone.git("merge", "-q", "origin/feature", ok=False)
    clone.settle("iris@3 production")
    assert {code for code, _ in clone.codes()} <= ABSENT
    assert clone.workspace.store.version_numbers("iris") == [1, 2, 3, 4]
    assert clone.status() == []
    assert "\r" not in clone.git("show", f"HEAD:{MODEL}/versions/4.json")


def test_a_document_that_an_editor_wrote_anew_merges_with_itself(team):
    path = team.root / MODEL / "versions/2.json"
    [event, *_] = sorted((team.root / MODEL / "events").iterdir())
    team.on("feature")
    for each in (path, event):
        each.write_text(json.dumps(json.loads(each.read_text()), indent=8))
    team.commit()
    team.on("main")
    for each in (path, event):
        each.write_text(json.dumps(json.loads(each.read_text()), sort_keys=True, indent=4))
    team.commit()
    assert team.codes() == []
    team.merge("feature")
    assert len(team.conflicts()) == 2
    team.fix()
    team.git("commit", "-qm", "Merged")
    assert (team.codes(), team.held(), team.status()) == ([], {1: "one", 2: "two"}, [])


def test_an_older_branch_and_back_say_what_they_said(team):
    team.git("branch", "old")
    team.register("three", "production").on("old")
    assert (team.codes(), team.production(), sorted(team.held())) == ([], 1, [1, 2])
    team.on("main")
    assert (team.codes(), team.production(), sorted(team.held())) == ([], 3, [1, 2, 3])


def test_a_shallow_clone_settles_what_it_has(torn, machine):
    torn.git("clone", "-q", "--depth=1", "--no-single-branch", f"file://{torn.root}", str(machine / "clone"))
    clone = Team(Workspace(str(machine / "clone"), now=torn.workspace.now), torn.record)
    clone.git("merge", "-q", "--allow-unrelated-histories", "origin/feature", ok=False)
    clone.settle("iris@3 production")
    assert {"unsettled", "corrupt", "event-missing", "version-missing"} & {code for code, _ in clone.codes()} == set()
    assert clone.workspace.store.version_numbers("iris") == [1, 2, 3, 4]


def test_a_linked_worktree_settles_its_own_merge(torn, machine):
    torn.git("worktree", "add", "-q", str(machine / "linked"), "feature")
    linked = Team(Workspace(str(machine / "linked"), now=torn.workspace.now), torn.record)
    linked.merge("main")
    assert linked.fix()[0] == "iris@3 of this branch is iris@4 now: main has iris@3"
    assert (linked.conflicts(), torn.status()) == ([], [])


def test_a_workspace_below_the_top_settles_its_own_files_only(repo, git, record, workspace, clock, ids):
    (repo / "sub").mkdir()
    sub = Workspace(str(repo / "sub"), now=clock, new_id=ids)
    sub.make_store()
    sub = Workspace.find(str(repo / "sub"))
    team = Team(sub, record)
    for branch in ("feature", "main"):
        subprocess.run(["git", "checkout", "-q", "-B", branch, "main"], cwd=repo, check=True)
        run = record(model=branch)
        shutil.copytree(repo / ".mlruns", repo / "sub/.mlruns", dirs_exist_ok=True)
        registry.register(sub, "iris", run.id)
        (repo / "other.txt").write_text(branch)
        git("add", "sub/.mlruns/models", "other.txt")
        git("commit", "-qm", branch)
    team.merge("feature")
    assert team.fix()[0] == "iris@1 of feature is iris@2 now: main has iris@1"
    assert team.git("diff", "--name-only", "--diff-filter=U").split() == ["other.txt"]
    assert sub.store.version_numbers("iris") == [1, 2]


# The merge driver


@pytest.fixture
def driven(team, mlcli) -> Team:
    """A repository whose merges mlcli drives."""
    done = mlcli("init", "--merge-driver", at=team.root)
    assert done.returncode == 0, done.stderr
    return team.commit("Merge driver")


def test_setting_up_the_driver_twice_changes_nothing(driven, mlcli):
    files = [driven.root / name for name in (".git/config", ".git/hooks/post-merge", ".mlruns/.gitattributes")]
    before = [path.read_bytes() for path in files]
    done = mlcli("init", "--merge-driver", at=driven.root)
    assert (done.returncode, [path.read_bytes() for path in files], driven.status()) == (0, before, [])
    assert done.stdout.count("already") == 4
    assert driven.fix() == []


def test_a_hook_that_is_there_is_not_overwritten_and_nothing_is_set_up(team, mlcli):
    hook = team.root / ".git/hooks/post-merge"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nmake\n")
    done = mlcli("init", "--merge-driver", at=team.root)
    assert (done.returncode, hook.read_text()) == (1, "#!/bin/sh\nmake\n")
    assert 'hint: add this line to it: mlcli merge-driver --finish "$1"' in done.stderr
    assert ("mlcli" in team.git("config", "--list"), team.status()) == (False, [])
    hook.write_text('#!/bin/sh\nmake\nmlcli merge-driver --finish "$1"\n')
    assert mlcli("init", "--merge-driver", at=team.root).returncode == 0


@pytest.mark.parametrize(("into", "told"), [
    ("main", "mlcli: iris@3 of feature is iris@4 now: main has iris@3"),
    ("feature", "mlcli: iris@3 of this branch is iris@4 now: main has iris@3"),
])  # fmt: skip
def test_git_merge_renumbers_by_itself_in_one_commit(driven, into, told):
    driven.on("feature").register("of feature")
    driven.on("main").register("of main")
    other = {"main": "feature", "feature": "main"}[into]
    before = driven.on(into).git("rev-parse", "HEAD", other).split()
    merged = driven.merge(other)
    assert ("CONFLICT" in merged, told in merged) == (False, True)
    assert driven.git("rev-parse", "HEAD^1", "HEAD^2").split() == before
    assert driven.git("log", "-1", "--format=%s").strip().startswith("Merge branch ")
    assert driven.workspace.store.history("iris").events[-1].commit == before[0]
    assert (driven.held(), driven.codes(), driven.status(), driven.fix()) == (AFTER, [], [], [])


def test_what_was_merged_elsewhere_is_never_made_anew(driven, machine, mlcli):
    driven.on("feature").register("of feature")
    driven.on("main").register("of main")
    driven.git("clone", "-q", ".", str(machine / "clone"))
    clone = Team(Workspace(str(machine / "clone")), driven.record)
    assert mlcli("init", "--merge-driver", at=clone.root).returncode == 0
    driven.git("-c", "core.hooksPath=/dev/null", "merge", "--no-edit", "-X", "ours", "feature")  # leaves a version out
    clone.git("pull", "-q")
    assert clone.git("rev-parse", "HEAD") == driven.git("rev-parse", "HEAD")
    assert (clone.status(), ("version-missing", "iris") in clone.codes()) == ([], True)


def test_a_squashed_merge_is_renumbered_in_the_index(driven):
    driven.on("feature").register("of feature")
    driven.on("main").register("of main")
    assert "CONFLICT" not in driven.merge("feature", "--squash")
    driven.git("commit", "-qm", "Squashed")
    assert (driven.held(), driven.codes(), driven.status()) == (AFTER, [], [])


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="there is no ssh-keygen")
def test_a_signed_merge_is_not_made_anew_and_what_changed_is_staged(driven):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], cwd=driven.root.parent, check=True)
    driven.on("feature").register("of feature")
    driven.on("main").register("of main")
    key = str(driven.root.parent / "key")
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "-c", "commit.gpgSign=true")
    merged = driven.git(*signing, "merge", "--no-edit", "feature")
    assert "the merge is signed, so what changed is in the index only: git commit --amend" in merged
    assert {line[:2] for line in driven.status()} == {"A "}
    driven.git(*signing, "commit", "-q", "--amend", "--no-edit")
    assert (driven.held(), driven.codes(), driven.status()) == (AFTER, [], [])
    assert "gpgsig" in driven.git("cat-file", "commit", "HEAD")


def test_stores_below_the_top_are_driven_too(repo, git, mlcli):
    places = [repo / "one", repo / "two"]
    assert [set_up_below(place, mlcli) for place in places] == [0, 0]
    registered_below(repo, mlcli, git, "base")
    git("checkout", "-qb", "feature")
    registered_below(repo, mlcli, git, "feature")
    git("checkout", "-q", "main")
    registered_below(repo, mlcli, git, "main")
    assert "CONFLICT" not in git("merge", "--no-edit", "feature")
    assert git("status", "--short", "--untracked-files=no") == ""
    assert [mlcli("check", at=place).returncode for place in places] == [0, 0]
    assert [Workspace.find(str(place)).store.version_numbers("iris") for place in places] == [[1, 2, 3]] * 2


def set_up_below(place: Path, mlcli) -> int:
    (place / ".mlruns").mkdir(parents=True)
    return mlcli("init", "--merge-driver", at=place).returncode


def registered_below(repo: Path, mlcli, git, content: str) -> None:
    for name in ("one", "two"):
        write = f"open('model.bin', 'w').write({content!r})"
        mlcli("run", "--output", "model.bin", "--", "python", "-c", write, at=repo / name)
        assert mlcli("register", "iris", "@:model.bin", at=repo / name).returncode == 0
    git("add", "one/.mlruns", "two/.mlruns")
    git("commit", "-qm", content)


def test_the_driver_writes_what_both_sides_agree_on_and_leaves_the_rest_to_people(driven):
    driven.on("feature").do("promote", "iris@2", "production").do("alias", "iris@1", "champion")
    driven.on("main").do("promote", "iris@2", "production").do("alias", "iris@2", "champion")
    merged = driven.merge("feature")
    assert (driven.conflicts(), "CONFLICT" in merged) == ([f"{MODEL}/aliases/champion.json"], True)
    assert "<<<<" not in (driven.root / MODEL / "aliases/champion.json").read_text()
    driven.fix()
    registry.alias(driven.workspace, "iris@1", "champion")
    assert (driven.commit().codes(), driven.production()) == ([], 2)


@pytest.mark.parametrize("options", [(), ("--no-commit",)])
def test_a_driven_merge_that_stops_is_finished_by_doctor(driven, options):
    driven.on("feature").register("of feature", "production")
    driven.on("main").register("of main", "production")
    driven.merge("feature", *options)
    assert driven.conflicts() == [f"{MODEL}/stages/production.json"]
    driven.settle("iris@3 production")
    assert (driven.held(), driven.codes(), driven.status()) == (AFTER, [], [])


def test_a_driven_merge_that_is_not_committed_loses_nothing(driven):
    driven.on("feature").register("of feature")
    driven.on("main").register("of main")
    driven.merge("feature", "--no-commit")
    assert ("version-missing", "iris") in driven.codes()
    driven.fix()
    driven.git("commit", "-qm", "Merged")
    assert (driven.held(), driven.codes(), driven.status()) == (AFTER, [], [])


@pytest.mark.parametrize("verb", ["rebase", "cherry-pick"])
def test_where_no_hook_runs_the_driver_leaves_the_conflict(driven, verb):
    driven.on("feature").register("of feature")
    driven.on("main").register("of main")
    driven.on({"rebase": "feature", "cherry-pick": "main"}[verb])
    driven.git(verb, {"rebase": "main", "cherry-pick": "feature"}[verb], ok=False)
    assert driven.conflicts() == [f"{MODEL}/versions/3.json"]
    assert json.loads((driven.root / MODEL / "versions/3.json").read_text())["kind"] == "version"
    driven.fix()
    driven.git("-c", "core.editor=true", verb, "--continue")
    assert (driven.held(), driven.codes(), driven.status()) == (AFTER, [], [])


def test_without_its_hook_the_driver_leaves_the_conflict(driven):
    (driven.root / ".git/hooks/post-merge").unlink()
    driven.on("feature").register("of feature")
    driven.on("main").register("of main")
    assert "CONFLICT" in driven.merge("feature")
    driven.settle()
    assert (driven.held(), driven.codes()) == (AFTER, [])


def test_whoever_has_not_set_up_the_driver_gets_gits_conflict(driven):
    driven.git("config", "--remove-section", "merge.mlcli")
    driven.on("feature").register("of feature")
    driven.on("main").register("of main")
    assert "CONFLICT" in driven.merge("feature")
    assert driven.conflicts() == [f"{MODEL}/versions/3.json"]


def test_driven_merges_that_cross_each_other_lose_nothing(driven):
    driven.on("feature").register("of feature", "production")
    driven.on("main").register("of main").git("branch", "main-before")
    driven.merge("feature")
    driven.on("feature").register("second of feature").merge("main-before")
    assert driven.held() == {1: "one", 2: "two", 3: "of main", 4: "second of feature", 5: "of feature"}
    driven.on("main").register("second of main")
    assert "CONFLICT" not in driven.merge("feature")
    assert driven.held() == {**AFTER, 5: "second of main", 6: "second of feature"}
    assert (driven.codes(), driven.fix(), driven.production(), driven.status()) == ([], [], 4, [])


def test_the_driver_is_for_git_alone_and_not_listed(team, mlcli):
    assert "merge-driver" not in mlcli("--help").stdout.replace("--merge-driver", "")
    done = mlcli("merge-driver", "one")
    assert (done.returncode, "git calls this" in done.stderr) == (2, True)
    assert mlcli("merge-driver", "--finish", "0", at=team.root).returncode == 0


# In the middle of a merge


@pytest.mark.parametrize(
    "command",
    ["check", "history iris", "show iris", "show iris@production", "models", "lineage iris@3",
     "promote iris@3 staging", "doctor"],
)  # fmt: skip
def test_in_the_middle_of_a_merge_a_command_says_one_clear_line(torn, mlcli, command):
    torn.merge("feature")
    done = mlcli(*command.split(), at=torn.root)
    assert ("Traceback" in done.stderr, done.returncode in {0, 1, 3}) == (False, True)
    assert "mlcli doctor --fix" in done.stdout + done.stderr


# Nothing is ever lost


class Story:
    """Three branches on which chance does something, and all that was ever there."""

    def __init__(self, team: Team, seed: int) -> None:
        self.team, self.chance = team, random.Random(seed)
        self.versions: set[str] = set()
        self.events: set[str] = set()
        for branch in ("b", "c"):
            team.git("branch", branch)

    def step(self, name: str) -> None:
        """Do one thing on one branch."""
        team, chance = self.team.on(self.chance.choice(["main", "b", "c"])), self.chance
        ref = f"iris@{chance.choice(team.workspace.store.version_numbers('iris'))}"
        act = chance.choice(["register", "promote", "alias", "merge"])
        if act == "register":
            team.register(name)
        elif act == "promote":
            registry.promote(team.workspace, ref, chance.choice(["production", "staging"]), once=True)
        elif act == "alias":
            registry.alias(team.workspace, ref, chance.choice(["first", "second"]), once=True)
        else:
            self.merge(chance.choice(["main", "b", "c"]))
        self.note()

    def merge(self, branch: str) -> None:
        """Merge a branch; what is torn is said again as it stands."""
        self.team.merge(branch)
        self.team.fix()
        while torn := self.team.workspace.store.history("iris").torn:
            self.decide(*next(iter(torn)))
        self.note()

    def decide(self, kind: str, name: str) -> None:
        """Say a name again."""
        workspace, history = self.team.workspace, self.team.workspace.store.history("iris")
        if kind == "alias":
            registry.alias(workspace, f"iris@{history.numbers[history.aliases[name][0]]}", name)
        elif kind == "stage":
            held = history.holders[Stage(name)][0]
            registry.promote(workspace, f"iris@{history.numbers.get(held, 1)}", name)
        else:
            registry.promote(workspace, f"iris@{history.numbers[name]}", history.stage_of(name).value)

    def note(self) -> None:
        """Commit, and remember what is there."""
        self.team.git("add", ".mlruns")
        self.team.git("commit", "-qm", "Work", "--allow-empty")
        self.versions |= self.there()[0]
        self.events |= self.there()[1]

    def there(self) -> tuple[set[str], set[str]]:
        """The versions and events that are here, by digest."""
        store = self.team.workspace.store
        versions = {store.version("iris", number).digest for number in store.version_numbers("iris")}
        return versions, {event.digest for event in store.history("iris").events}


@pytest.mark.parametrize("seed", range(6))
def test_whatever_branches_do_nothing_is_lost(team, seed):
    story = Story(team, seed)
    list(map(story.step, [f"{seed}-{step}" for step in range(12)]))
    team.on("main")
    list(map(story.merge, ["b", "c"]))
    assert story.there() == (story.versions, story.events)
    assert len(team.workspace.store.version_numbers("iris")) == len(story.versions)
    assert (team.codes(), team.fix(), team.status()) == ([], [], [])


# Histories that nobody wrote


def planted(team: Team, **fields) -> None:
    """An event like the newest with other fields, sealed as mlcli would."""
    directory = team.root / MODEL / "events"
    newest = team.workspace.store.history("iris").events[-1].digest.removeprefix("sha256:")
    document = schema.sealed("event", {**json.loads((directory / f"{newest}.json").read_text()), **fields})
    (directory / f"{document['digest'].removeprefix('sha256:')}.json").write_bytes(schema.encode(document))


def looped(team: Team) -> None:
    """Two events that name each other, which no digest allows: their files only say that they do."""
    directory, names = team.root / MODEL / "events", ["a" * 64, "b" * 64]
    newest = team.workspace.store.history("iris").events[-1].digest.removeprefix("sha256:")
    document = json.loads((directory / f"{newest}.json").read_text())
    for name, other in (names, names[::-1]):
        looping = {**document, "parents": [f"sha256:{other}"], "digest": f"sha256:{name}"}
        (directory / f"{name}.json").write_text(json.dumps(looping))


def copied(team: Team) -> None:
    [first, *_] = sorted((team.root / MODEL / "events").iterdir())
    shutil.copy(first, first.with_name("c" * 64 + ".json"))


def of_another_model(team: Team) -> None:
    registry.register(team.workspace, "wine", team.record(model="wine").id)
    planted(team, version=team.workspace.store.version("wine", 1).digest)


def moved_from_another_model(team: Team) -> None:
    registry.register(team.workspace, "wine", team.record(model="wine").id)
    [event] = (team.root / ".mlruns/models/wine/events").iterdir()
    shutil.copy(event, team.root / MODEL / "events")


def in_another_case(team: Team) -> None:
    shutil.copytree(team.root / MODEL, team.root / ".mlruns/models/IRIS")


@pytest.mark.parametrize(("plant", "code"), [
    (looped, "corrupt"),
    (copied, "corrupt"),
    (lambda team: planted(team, to_stage="Canary"), "corrupt"),
    (lambda team: planted(team, parents=["sha256:" + "d" * 64]), "event-missing"),
    (lambda team: planted(team, at="2099-01-01T00:00:00.000000Z"), "event-future"),
    (of_another_model, "version-missing"),
    (moved_from_another_model, "corrupt"),
    (in_another_case, "name-twins"),
], ids=["loop", "copy", "unknown stage", "no such parent", "future", "another's version", "another's event", "case"])  # fmt: skip
def test_a_history_that_nobody_wrote_is_told_and_never_a_crash(team, mlcli, plant, code):
    plant(team)
    assert code in {found.code for found in checking.check(team.workspace).findings}
    doctor.examined(team.workspace, fix=True)
    assert code in {found.code for found in checking.check(team.workspace).findings}
    told = [
        mlcli(*words.split(), at=team.root) for words in ("history iris", "models", "show iris@1", "check", "doctor")
    ]
    assert [("Traceback" in done.stderr, done.returncode in {0, 1, 3}) for done in told] == [(False, True)] * 5
