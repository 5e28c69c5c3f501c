"""What the rest of the house asks of a store, in the domain's words; and what a store asks of its parts.

Protocols only, for whoever checks types: defining one costs a millisecond, so nothing imports this module at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from ..domain.history import Event, History, Holder
from ..domain.model import ModelVersion
from ..domain.order import Sort
from ..domain.query import Filter
from ..domain.run import Artifact, FoundRuns, Metric, MetricPoint, PointsFile, Run
from ..domain.source import Process
from ..domain.stage import Stage
from ..domain.trash import Removed, Swept

if TYPE_CHECKING:
    from ..domain.checked import Recorded
    from ..domain.run import Digests, PointRecorder


class Store(Protocol):
    """Runs with what was logged to them, artifacts by digest, and the registry.

    Reading raises NotFound for what is not there and Corrupt for what cannot be trusted; writing raises WriteFailed
    and leaves the store as it was.
    """

    root: str

    def add_run(self, run: Run) -> None:
        """Keep a new run."""

    def run(self, run_id: str) -> Run:
        """The run of that whole id, as it stands now."""

    def run_ids(self, prefix: str = "") -> list[str]:
        """The ids that begin with `prefix`."""

    def find_runs(
        self, filter_: Filter | None = None, *, sort: Sort = ..., limit: int | None = None, whole: bool = True
    ) -> FoundRuns:
        """The runs that the filter lets through, in order, newest first if none is said.

        Not `whole`: packages, variables, inputs and file lists of the git state may be left out, which is faster.
        """

    def marked_runs(
        self,
        mark: str,
        values: Collection[str],
        *,
        limit: int | None = None,
        before: datetime | None = None,
        each: int | None = None,
    ) -> list[Run]:
        """The runs that have one of these marks (Run.marks), newest first; what cannot be read is passed over.

        With a `limit` and more than one value, those that are left out need not be the oldest. With `before`, those
        that had begun then; with `each`, more than so many of a value may be left out, the oldest first.
        """

    def looking(self) -> AbstractContextManager[None]:
        """Let many look-ups by marks cost little: within it they may tell what was there when the first was made."""

    def digests_from(self, prefix: str) -> list[str]:
        """The digests that begin so of what runs and versions made and read, and of versions themselves; sorted."""

    def change_run(self, run_id: str, change: Callable[[Run], Run]) -> Run:
        """Replace a run by what `change` makes of it; no other writer comes between."""

    def remove_run(self, run_id: str) -> None:
        """Move a run with its files to the trash."""

    def remove_version(self, model: str, number: int) -> None:
        """Move a version to the trash; its number is not given to another."""

    def removed(self) -> list[Removed]:
        """What lies in the trash, the last that was removed first; what cannot be read is passed over."""

    def restore_run(self, run_id: str) -> None:
        """Bring a run back from the trash."""

    def restore_version(self, model: str, number: int) -> None:
        """Bring a version back from the trash; Refused where its number is taken."""

    def sweep(self, keep: timedelta, elsewhere: Iterable[bytes] = (), *, dry_run: bool = False) -> Swept:
        """Take what has been in the trash for longer than `keep`, and content that nothing cites, for good.

        Content is cited by runs and versions, in the trash too, and by the documents `elsewhere`. It is first moved to
        the trash. Nothing is taken where a document cannot be read: Corrupt. Others may write meanwhile.
        """

    def adding_content(self) -> AbstractContextManager[None]:
        """Keep sweeps out while content is kept that no document cites yet; one within another is one."""

    def add_points(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        """Append to a run's metrics; in the kernel's hands when this returns."""

    def points(self, run_id: str, metric: str | None = None) -> list[MetricPoint]:
        """A run's metric history in the order it was logged."""

    def recorder(self, run_id: str) -> PointRecorder:
        """Whoever appends point after point to a run's metrics."""

    def summary(self, run_id: str) -> dict[str, Metric]:
        """A run's metrics added up from their history."""

    def settle_points(self, run_id: str) -> tuple[dict[str, Metric], PointsFile | None]:
        """Make a run's metric history durable, in its final form; its summary, and the checksum of its file, if any."""

    def output_descriptor(self, run_id: str) -> int:
        """A descriptor to append the run's output to and read it from."""

    def events_directory(self, run_id: str) -> str:
        """Where the processes of a running run tell what they do, one file each; made where it is not there."""

    def note_command(self, run_id: str, process: Process) -> None:
        """Tell which process a run's command is: the run is open until its events are forgotten."""

    def command_of(self, run_id: str) -> Process | None:
        """Which process the command of an open run is, or was."""

    def open_runs(self) -> list[str]:
        """The ids of runs whose command was started and whose end was not recorded here."""

    def forget_events(self, run_id: str) -> None:
        """Remove what the processes of a run told, after it was added up."""

    def keep(self, run_id: str, source: str, path: str) -> list[Artifact]:
        """Keep a file's or directory's content, reached from the run's artifacts by `path`; all of it or nothing."""

    def detach(self, run_id: str, paths: Iterable[str]) -> None:
        """Let nothing be reached at these paths of a run's artifacts any more; content itself stays."""

    def take_input(self, source: str, *, keep: bool) -> tuple[int, str]:
        """The size and digest of a user's file; with `keep`, its content is kept: a copy, never a link."""

    def artifacts_directory(self, run_id: str) -> str:
        """Where a run's artifacts lie."""

    def content_path(self, artifact: Artifact) -> str:
        """Where the content of an artifact lies, verified against its digest; Missing or Corrupt otherwise."""

    def has_content(self, artifact: Artifact) -> bool:
        """Whether the content of an artifact is here, unread."""

    def digest_of(self, path: str) -> str:
        """The digest that a file or directory outside the store has, or would have as an artifact."""

    def digesting(self) -> Digests:
        """Tell digests of files outside the store, within a `with`; a large one is read once as long as it stays."""

    def settling_content(self) -> AbstractContextManager[None]:
        """Keep others from adding content, or what runs are made from, while it is told what nothing cites."""

    def cited_commits(self, elsewhere: Iterable[bytes] = ()) -> set[str]:
        """The ids of git objects that documents here and `elsewhere` name."""

    def discarded_commits(self) -> set[str]:
        """The ids of git objects that documents in the trash name."""

    def manifest(self, artifacts: Sequence[Artifact], path: str) -> str:
        """One digest for the artifact at `path` that consists of these files."""

    def clean_output(self, run_id: str, texts: Sequence[bytes], *, dry_run: bool = False) -> int:
        """Put *** in place of these texts in what a run printed; how many there were."""

    def content_holds(self, digest: str, texts: Sequence[bytes]) -> bool:
        """Whether content, here or in the trash, holds one of these texts."""

    def drop_content(self, digest: str) -> None:
        """Take content for good, whoever cites it."""

    def forget_derived(self) -> None:
        """Drop what is derived from documents, so that nothing is left in it of what they said before."""

    def left_with(self, run_id: str, texts: Sequence[bytes]) -> list[str]:
        """The names of files that hold one of these texts: of a run, of the registry, in the trash."""

    def replace_version(self, old: ModelVersion, new: ModelVersion, event: Event) -> tuple[ModelVersion, Event]:
        """Put `new` in the place of a version. Its history is told first: `event`, with the digests of both."""

    def models(self) -> list[str]:
        """The registered names, sorted."""

    def histories(self) -> list[str]:
        """The names that have a history, also where no version of it is here."""

    def version_numbers(self, model: str) -> list[int]:
        """A model's version numbers, rising."""

    def version(self, model: str, number: int) -> ModelVersion:
        """One version."""

    def add_version(self, version: ModelVersion, *, above: int = 0) -> ModelVersion:
        """Register under the next free number after `above`, handed out once."""

    def history(self, model: str) -> History:
        """A model's events, added up: every document is read."""

    def standing(self, model: str) -> History:
        """What a model's events add up to; of many without them, and from what is remembered of that."""

    def recorded(self, model: str) -> Recorded:
        """All that is recorded of a model, every document read anew; what cannot be read is told in it."""

    def add_event(self, event: Event) -> Event:
        """Append to a model's history; named by its digest."""

    def holder(self, model: str, stage: Stage) -> Holder | None:
        """What the stage's name says; None where no version ever held it."""

    def set_holder(self, model: str, stage: Stage, holder: Holder) -> None:
        """Move the stage's name."""

    def aliases(self, model: str) -> list[str]:
        """The names of a model's aliases, sorted; also of those that no version has any more."""

    def alias(self, model: str, name: str) -> Holder | None:
        """What an alias says; None where no version ever had it."""

    def set_alias(self, model: str, name: str, holder: Holder) -> None:
        """Move the alias."""

    def marked_versions(
        self, mark: str, values: Collection[str], models: Iterable[str] | None = None
    ) -> list[ModelVersion]:
        """The versions that have one of these marks (ModelVersion.marks), by name and number; others are not read.

        Those of these models, or of all. What cannot be read is passed over.
        """

    def body_digest(self, event: Event) -> str:
        """The digest of an event without its signature: what a signature is over."""

    def turn(self, command: str, waiting: Callable[[str], None]) -> AbstractContextManager[None]:
        """Wait until nobody else is at the command of that check sum; `waiting` is told where somebody is."""

    def changing(self, model: str) -> AbstractContextManager[None]:
        """Keep other writers of this model's history out."""


class DocumentFiles(Protocol):
    """What a table of documents needs of the files below it; files.py says what each does."""

    def read(self, name: str) -> bytes: ...  # noqa: D102
    def names(self, directory: str) -> list[str]: ...  # noqa: D102
    def exists(self, name: str) -> bool: ...  # noqa: D102
    def create(self, name: str, data: bytes) -> bool: ...  # noqa: D102
    def replace(self, name: str, data: bytes) -> None: ...  # noqa: D102
    def move(self, name: str, target: str) -> bool: ...  # noqa: D102


class Codec(Protocol):
    """A document to bytes and back."""

    def encode(self, document: dict[str, Any]) -> bytes:
        """The document as bytes."""

    def decode(self, data: bytes, where: str) -> dict[str, Any]:
        """The document in `data`; Corrupt, naming `where`, where there is none."""
