"""Events add up to the same history in whatever order they arrive."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mlcli.domain.history import Action, Event, History, fold
from mlcli.domain.source import Person
from mlcli.domain.stage import Stage
from mlcli.errors import UnknownStage

AT = datetime(2026, 11, 21, 6, 40, tzinfo=timezone.utc)
ADA = Person(name="Ada Lovelace")
NONE, STAGING, PRODUCTION, ARCHIVED = Stage


def event(digest: str, version: str, to: Stage, *, archived=(), parents=(), seconds: int = 0) -> Event:
    return Event(
        model="iris", version=version, from_stage=NONE, to_stage=to, archived=list(archived), parents=list(parents),
        at=AT + timedelta(seconds=seconds), by=ADA, digest=digest,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("production", PRODUCTION),
        ("Production", PRODUCTION),
        ("STAGING", STAGING),
        ("none", NONE),
        ("Archived", ARCHIVED),
    ],
)
def test_a_stage_is_written_in_any_case(text: str, stage: Stage):
    assert Stage.parse(text) is stage


@pytest.mark.parametrize("text", ["Prod", "production ", "", "latest", "Production\n", "\x1b[31m"])
def test_what_is_no_stage_is_refused_with_those_that_are(text: str):
    with pytest.raises(UnknownStage, match="is no stage") as caught:
        Stage.parse(text)
    assert (caught.value.exit_code, caught.value.hint) == (2, "stages are None, Staging, Production, Archived")


def test_a_stage_is_shown_as_mlflow_shows_it_and_only_two_are_held_by_one():
    assert [(str(stage), stage.exclusive) for stage in Stage] == [
        ("None", False), ("Staging", True), ("Production", True), ("Archived", False),
    ]  # fmt: skip


def test_no_event_is_a_history_without_anything():
    assert fold([]) == History(events=[], stages={}, holders={}, heads=[])


def test_a_promotion_archives_what_it_replaces():
    events = [
        event("e1", "one", PRODUCTION),
        event("e2", "two", PRODUCTION, archived=["one"], parents=["e1"], seconds=1),
    ]
    history = fold(events)
    assert history == History(
        events=events, stages={"one": ARCHIVED, "two": PRODUCTION}, holders={PRODUCTION: ("two", "e2")}, heads=["e2"],
        terms={PRODUCTION: ["one", "two"]},
    )  # fmt: skip
    assert [history.stage_of(version) for version in ("one", "two", "three")] == [ARCHIVED, PRODUCTION, NONE]


def test_a_version_that_moves_on_leaves_its_stage_to_nobody():
    history = fold([event("e1", "one", STAGING), event("e2", "one", PRODUCTION, parents=["e1"], seconds=1)])
    assert history.holders == {STAGING: (None, "e2"), PRODUCTION: ("one", "e2")}


def test_two_branches_that_moved_a_stage_leave_two_heads_until_one_settles_them():
    split = [
        event("e1", "one", PRODUCTION),
        event("e2", "two", PRODUCTION, archived=["one"], parents=["e1"], seconds=1),
        event("e3", "three", PRODUCTION, archived=["one"], parents=["e1"], seconds=2),
    ]
    settled = event("e4", "two", PRODUCTION, archived=["three"], parents=["e2", "e3"], seconds=3)
    assert (fold(split).heads, fold(split).holders[PRODUCTION]) == (["e2", "e3"], ("three", "e3"))
    assert (fold([*split, settled]).heads, fold([*split, settled]).holders[PRODUCTION]) == (["e4"], ("two", "e4"))


def test_what_came_after_in_the_history_wins_over_what_the_clock_says():
    history = fold([
        event("e1", "one", PRODUCTION, seconds=9),
        event("e2", "two", PRODUCTION, archived=["one"], parents=["e1"], seconds=0),
    ])  # fmt: skip
    assert ([each.digest for each in history.events], history.holders) == (["e1", "e2"], {PRODUCTION: ("two", "e2")})


def test_a_parent_that_is_missing_takes_nothing_from_the_rest():
    history = fold([event("e2", "two", PRODUCTION, parents=["gone"])])
    assert (history.heads, history.holders) == (["e2"], {PRODUCTION: ("two", "e2")})


def test_events_that_name_each_other_as_parents_end_all_the_same():
    circle = [event("e1", "one", STAGING, parents=["e2"]), event("e2", "two", STAGING, parents=["e1", "e2"])]
    assert {each.digest for each in fold(circle).events} == {"e1", "e2"}


def test_a_history_of_thousands_of_events_is_added_up():
    events = [event(f"{at:05}", f"v{at}", PRODUCTION, parents=[f"{at - 1:05}"], seconds=-at) for at in range(5000)]
    assert fold(events).heads == ["04999"]


def test_an_event_with_a_parent_of_its_parent_comes_after_both_whatever_is_read_first():
    parents = [[], ["0"], ["0", "1"], ["2", "0"]]
    chain = [event(f"{at}", "one", STAGING, parents=each, seconds=-at) for at, each in enumerate(parents)]
    for order in ([3, 0, 2, 1], [3, 2, 0, 1], [2, 3, 1, 0]):
        assert [each.digest for each in fold([chain[at] for at in order]).events] == ["0", "1", "2", "3"]


@st.composite
def histories(draw) -> list[Event]:
    """Events as commits are: each may have any earlier ones as parents; times go as they like."""
    made: list[Event] = []
    for number in range(draw(st.integers(0, 8))):
        parents = (
            draw(st.lists(st.sampled_from([each.digest for each in made]), unique=True, max_size=3)) if made else []
        )
        archived = draw(st.lists(st.sampled_from(["one", "two", "three"]), unique=True, max_size=2))
        version = draw(st.sampled_from(["one", "two", "three"]))
        stage = draw(st.sampled_from(list(Stage)))
        made.append(
            event(f"{number}", version, stage, archived=archived, parents=parents, seconds=draw(st.integers(-2, 2)))
        )
    return made


@given(histories(), st.randoms())
def test_the_same_events_in_any_order_give_the_same_history(events: list[Event], random):
    shuffled = [replace(each, parents=random.sample(each.parents, len(each.parents))) for each in events]
    random.shuffle(shuffled)
    told, again = fold(events), fold([*shuffled, *shuffled[:2]])
    assert [each.digest for each in told.events] == [each.digest for each in again.events]
    assert (told.stages, told.holders, told.heads) == (again.stages, again.holders, again.heads)


@given(histories())
def test_an_event_comes_after_its_parents(events: list[Event]):
    place = {each.digest: at for at, each in enumerate(fold(events).events)}
    assert all(place[parent] < place[each.digest] for each in events for parent in each.parents)


@given(histories())
def test_whoever_holds_a_stage_stands_in_it(events: list[Event]):
    history = fold(events)
    held = [(stage, version) for stage, (version, _) in history.holders.items() if version is not None]
    assert [(stage, version) for stage, version in held if history.stage_of(version) is not stage] == []


def scrubbed(digest: str, before: str, after: str, *, parents=(), seconds: int = 0) -> Event:
    told = event(digest, after, NONE, parents=parents, seconds=seconds)
    return replace(told, action=Action.SCRUBBED, replaces=before)


def test_a_version_stands_under_its_new_digest_where_it_stood_under_the_old():
    history = fold([event("e1", "old", PRODUCTION), scrubbed("e2", "old", "new", parents=["e1"], seconds=1)])
    assert (history.stages, history.holders) == ({"new": PRODUCTION}, {PRODUCTION: ("new", "e2")})
    assert (history.now("old"), history.now("new"), history.now("other")) == ("new", "new", "other")


def test_an_event_that_names_the_old_digest_means_the_same_version():
    events = [
        scrubbed("e1", "old", "new"),
        event("e2", "old", PRODUCTION, parents=["e1"], seconds=1),
        event("e3", "two", PRODUCTION, archived=["old"], parents=["e2"], seconds=2),
        replace(event("e4", "old", NONE, parents=["e3"], seconds=3), action=Action.REMOVED, number=1),
    ]
    history = fold(events)
    assert (history.stages, history.holders[PRODUCTION]) == ({"new": ARCHIVED, "two": PRODUCTION}, ("two", "e3"))
    assert history.is_removed("new")


def test_a_scrub_that_was_killed_and_told_again_leads_to_what_is_here():
    events = [
        event("e1", "old", STAGING),
        scrubbed("e2", "old", "never", parents=["e1"], seconds=1),
        scrubbed("e3", "old", "new", parents=["e2"], seconds=2),
        scrubbed("e4", "new", "newest", parents=["e3"], seconds=3),
    ]
    history = fold(events)
    assert (history.stages, history.holders) == ({"newest": STAGING}, {STAGING: ("newest", "e4")})
    assert {history.now(each) for each in ("old", "never", "new", "newest")} == {"newest"}


def test_digests_that_lead_in_a_circle_lead_nowhere_for_ever():
    history = fold([scrubbed("e1", "a", "b"), scrubbed("e2", "b", "a", parents=["e1"], seconds=1)])
    assert history.now("a") in {"a", "b"}


# Names


def said(digest: str, action: Action, version: str = "one", *, parents=(), seconds: int = 0, **more) -> Event:
    return replace(
        event(digest, version, NONE, parents=parents, seconds=seconds), from_stage=NONE, action=action, **more
    )


def test_a_name_that_two_branches_gave_apart_is_torn_until_one_event_saw_both():
    split = [
        event("e1", "one", PRODUCTION),
        event("e2", "two", PRODUCTION, archived=["one"], parents=["e1"], seconds=1),
        event("e3", "three", PRODUCTION, archived=["one"], parents=["e1"], seconds=2),
    ]
    half = said("e4", Action.APPROVED, "two", parents=["e2", "e3"], seconds=3)
    settled = event("e5", "two", PRODUCTION, archived=["three"], parents=["e4"], seconds=4)
    assert fold(split).torn == {("stage", "production"): ["e2", "e3"]}
    assert fold([*split, half]).torn == {("stage", "production"): ["e2", "e3"]}
    assert fold([*split, half, settled]).torn == {}


def test_branches_that_gave_a_name_to_the_same_version_or_that_gave_different_names_tore_nothing():
    start = event("e1", "one", STAGING)
    same = [event("e2", "one", PRODUCTION, parents=["e1"]), event("e3", "one", PRODUCTION, parents=["e1"], seconds=1)]
    apart = [
        event("e2", "two", PRODUCTION, parents=["e1"]),
        said("e3", Action.ALIASED, parents=["e1"], alias="champion"),
        said("e4", Action.APPROVED, parents=["e1"]),
        said("e5", Action.TAGGED, parents=["e1"], tags={"team": "a"}),
    ]
    assert (fold([start, *same]).torn, fold([start, *apart]).torn) == ({}, {})
    assert len(fold([start, *apart]).heads) == 4


def test_a_version_that_branches_moved_to_different_stages_is_torn_and_one_both_archived_is_not():
    start = event("e1", "one", PRODUCTION)
    to_staging = event("e2", "one", STAGING, parents=["e1"])
    replaced = event("e3", "two", PRODUCTION, archived=["one"], parents=["e1"], seconds=1)
    retired = event("e4", "one", ARCHIVED, parents=["e1"], seconds=2)
    assert ("version", "one") in fold([start, to_staging, replaced]).torn
    assert ("version", "one") not in fold([start, replaced, retired]).torn


def test_an_alias_that_branches_gave_apart_is_torn():
    events = [
        said("e1", Action.ALIASED, "one", alias="best"),
        said("e2", Action.ALIASED, "two", alias="best", parents=["e1"]),
        said("e3", Action.UNALIASED, "one", alias="best", parents=["e1"], seconds=1),
    ]
    assert (fold(events).torn, fold(events[:2]).aliases) == ({("alias", "best"): ["e2", "e3"]}, {"best": ("two", "e2")})


def test_what_is_said_of_a_version_is_what_was_said_last():
    bob = Person(name="Bob", email="Bob@example.com")
    history = fold([
        said("e1", Action.APPROVED, by=bob),
        said("e2", Action.APPROVED, parents=["e1"], seconds=1),
        said("e3", Action.UNAPPROVED, by=replace(bob, email="bob@EXAMPLE.com"), parents=["e2"], seconds=2),
        said("e4", Action.NOTED, why="first", parents=["e3"], seconds=3),
        said("e5", Action.NOTED, why="second", parents=["e4"], seconds=4),
        said("e6", Action.TAGGED, tags={"a": "1", "b": "2"}, parents=["e5"], seconds=5),
        said("e7", Action.TAGGED, tags={"a": None, "c": "3"}, parents=["e6"], seconds=6),
        said("e8", Action.REGISTERED, number=3, parents=["e7"], seconds=7),
        said("e9", Action.RENUMBERED, number=4, parents=["e8"], seconds=8),
    ])  # fmt: skip
    assert [event.by.name for event in history.approvals["one"].values()] == ["Ada Lovelace"]
    assert (history.notes, history.tags, history.numbers) == (
        {"one": "second"},
        {"one": {"b": "2", "c": "3"}},
        {"one": 4},
    )
    assert history.registered == {"one"}


def test_a_rollback_undoes_the_terms_after_the_one_it_comes_back_to():
    events = [event(f"e{at}", version, PRODUCTION, parents=[f"e{at - 1}"], seconds=at)
              for at, version in enumerate(["one", "two", "three"])]  # fmt: skip
    back = replace(event("e3", "two", PRODUCTION, archived=["three"], parents=["e2"], seconds=3), rollback=True)
    again = event("e4", "three", PRODUCTION, archived=["two"], parents=["e3"], seconds=4)
    assert fold(events).terms == {PRODUCTION: ["one", "two", "three"]}
    assert fold([*events, back]).terms == {PRODUCTION: ["one", "two"]}
    assert fold([*events, back, again]).terms == {PRODUCTION: ["one", "two", "three"]}


def test_a_history_is_told_as_it_was_at_any_time():
    events = [event(f"e{at}", f"v{at}", PRODUCTION, archived=[f"v{at - 1}"], parents=[f"e{at - 1}"], seconds=at)
              for at in range(5)]  # fmt: skip
    at = AT + timedelta(seconds=2)
    assert fold(events, until=at).holders == {PRODUCTION: ("v2", "e2")}
    assert fold(events, until=AT - timedelta(seconds=1)).holders == {}


def test_what_is_said_follows_a_version_out_of_which_a_value_was_taken():
    history = fold([
        said("e1", Action.REGISTERED, number=1),
        said("e2", Action.ALIASED, alias="best", parents=["e1"], seconds=1),
        said("e3", Action.APPROVED, parents=["e2"], seconds=2),
        said("e4", Action.SCRUBBED, "new", replaces="one", parents=["e3"], seconds=3),
    ])  # fmt: skip
    assert (history.aliases, list(history.approvals), history.numbers) == ({"best": ("new", "e4")}, ["new"], {"new": 1})
    assert "new" in history.registered


@given(histories())
def test_no_name_is_torn_in_a_history_that_never_parted(events: list[Event]):
    chain = [replace(each, parents=[events[at - 1].digest] if at else []) for at, each in enumerate(events)]
    assert fold(chain).torn == {}


@given(histories())
def test_one_event_that_saw_all_heads_and_says_a_name_anew_settles_it(events: list[Event]):
    before = fold(events)
    settled = replace(event("last", "one", PRODUCTION, seconds=9), parents=before.heads)
    assert ("stage", "production") not in fold([*events, settled]).torn


def test_two_long_branches_are_added_up_in_time():
    left = [event(f"l{at:05}", "one", STAGING, parents=[f"l{at - 1:05}"], seconds=at) for at in range(3000)]
    right = [event(f"r{at:05}", "two", STAGING, parents=[f"r{at - 1:05}"], seconds=at) for at in range(3000)]
    assert set(fold([*left, *right]).torn[("stage", "staging")]) == {"l02999", "r02999"}
