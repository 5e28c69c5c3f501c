"""What was seen of a run without being asked: the code it executed, what it fitted, wrote and reached, what it cost."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

from msgspec import Struct


class Kind(str, Enum):
    """What can be watched, and turned off by `--no-capture`."""

    INPUTS = "inputs"
    OUTPUTS = "outputs"
    CODE = "code"
    PARAMS = "params"
    METRICS = "metrics"
    MODELS = "models"
    PRINTED = "printed"

    def __str__(self) -> str:
        return self.value


class Module(Struct, frozen=True, kw_only=True):
    """A file of the project's own code that a run executed: its path, its name in Python ('' for a script).

    `blob` is git's id of its content. `state` says what git had of that: "committed", "modified", "untracked", or
    "changed" where the file was written to after it was loaded, so that what ran is not known.
    """

    path: str
    name: str = ""
    blob: str
    state: str


class Elsewhere(Struct, frozen=True, kw_only=True):
    """A repository outside the workspace from which code was executed, as an editable install's.

    `path` is absolute; `digest` is over the modules of it that were executed, whose paths in it are `files`.
    """

    path: str
    commit: str | None = None
    dirty: bool = False
    modules: int = 0
    digest: str = ""
    files: list[str] = []


class Code(Struct, frozen=True, kw_only=True):
    """What of the project's code a run executed: finer than its commit.

    `digest` is one over all of it: equal for two runs whose executed code was the same, whatever else was committed.
    """

    digest: str
    modules: list[Module] = []
    elsewhere: list[Elsewhere] = []


class Fit(Struct, frozen=True, kw_only=True):
    """A model that was fitted: its class, the params that are not its defaults, the shape of its data, where.

    `nested` are the params of what it is made of, as a pipeline's steps. `calls` counts the fits at this line.
    """

    cls: str
    params: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    shape: list[int] = []
    seconds: float | None = None
    at: str = ""
    calls: int = 1
    best: dict[str, Any] | None = None
    best_score: float | None = None


class Output(Struct, frozen=True, kw_only=True):
    """A file that a run wrote and left: path, size in bytes, digest; `kept` where its content is an object.

    `kind` is model, data, metrics, figure, archive or file, and `format` its format (pickle, parquet, png).
    `cls` is the class of a model, `fit` the number of the fit that made it, `by` the function that wrote it.
    """

    path: str
    size: int
    digest: str
    kept: bool = False
    kind: str = "file"
    format: str = ""
    cls: str = ""
    by: str = ""
    fit: int | None = None


class Usage(Struct, frozen=True, kw_only=True):
    """What a command and all it waited for cost: CPU seconds, and the most memory that one process held, in bytes."""

    cpu_seconds: float | None = None
    peak_memory: int | None = None


class Capture(Struct, frozen=True, kw_only=True):
    """How much of a run was seen. `missing` says, for each part that was not, what and how to mend it.

    `complete` is whether all that the command read and executed is known. `processes` counts those that told of
    themselves, `off` names what was turned off. `listed` are the directories of the project that were listed, as by a
    glob: by path, which ends with '/', one digest over the names that the run may have found there. `native` is whether
    programs that are no Python were watched, too.
    """

    complete: bool = False
    processes: int = 0
    native: bool = False
    listed: dict[str, str] = {}
    missing: list[str] = []
    off: list[str] = []


class Reuse(Struct, frozen=True, kw_only=True):
    """How often a run was found unchanged, and so was not made again; and when last."""

    count: int
    last_at: datetime
