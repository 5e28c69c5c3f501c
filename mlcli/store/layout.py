"""Where each thing lies below `.mlruns/`: names only, no file is touched."""

from __future__ import annotations

DIRECTORY = ".mlruns"
STORE = "store.json"
GITIGNORE = ".gitignore"
RUNS = "runs"
MODELS = "models"
OBJECTS = "objects"
TRASH = "trash"
CACHE = ".cache"
TEMPORARY = f"{CACHE}/tmp"  # noqa: S108
LOCKS = f"{CACHE}/locks"
INDEX = f"{CACHE}/index.sqlite"
OPEN = f"{CACHE}/open"
CONTENT_LOCK = "content"
DIGESTS = f"{CACHE}/digests.json"
REMEMBERED = f"{CACHE}/registry"

# Runs are scratch and stay local; the registry is the team's record and goes into git.
GITIGNORE_TEXT = """\
# Written by mlcli. Models (the registry) belong in git; runs, their files and derived data stay local.
/runs/
/objects/
/trash/
/.cache/
"""


def run_shard(run_id: str) -> str:
    """One of 256 directories, by the id's first two digits: a directory's time then tells what changed."""
    return f"{RUNS}/{run_id[:2]}"


def run_directory(run_id: str) -> str:
    """Where a run's own files lie."""
    return f"{RUNS}/{run_id[:2]}/{run_id}"


def metrics(run_id: str) -> str:
    """A run's step metrics, one JSON line each."""
    return f"{run_directory(run_id)}/metrics.jsonl"


def live_metrics(run_id: str, mark: str) -> str:
    """The step metrics that one process logs while the run runs."""
    return f"{run_directory(run_id)}/metrics-{mark}.live"


def is_live_metrics(name: str) -> bool:
    """Whether a file of a run, by its name in the run's directory, holds metrics that a process logged."""
    return name.startswith("metrics-") and name.endswith(".live")


def output(run_id: str) -> str:
    """What the run's command printed."""
    return f"{run_directory(run_id)}/output.log"


def watched(run_id: str) -> str:
    """What the processes of a running run tell of themselves, until it is added up."""
    return f"{run_directory(run_id)}/events"


def command(run_id: str) -> str:
    """Which process a running run's command is, should its wrapper be killed."""
    return f"{watched(run_id)}/command.json"


def artifacts(run_id: str) -> str:
    """What the run produced."""
    return f"{run_directory(run_id)}/artifacts"


def object_path(digest: str) -> str:
    """Content, by its digest ('sha256:<hex>')."""
    name = digest.partition(":")[2]
    return f"{OBJECTS}/{name[:2]}/{name}"


def trashed(name: str) -> str:
    """Where what was called `name` lies after it was removed: runs and content without their shard."""
    kind, _, rest = name.partition("/")
    return f"{TRASH}/{kind}/{rest.rpartition('/')[2]}" if kind in {RUNS, OBJECTS} else f"{TRASH}/{name}"


def versions(model: str) -> str:
    """A model's version documents."""
    return f"{MODELS}/{model}/versions"


def events(model: str) -> str:
    """A model's history."""
    return f"{MODELS}/{model}/events"


def stages(model: str) -> str:
    """A model's stages: which version holds each."""
    return f"{MODELS}/{model}/stages"


def aliases(model: str) -> str:
    """A model's aliases: which version has each."""
    return f"{MODELS}/{model}/aliases"


def remembered(directory: str) -> str:
    """What is derived from the documents of a directory of the registry, that they need not be read anew."""
    return f"{REMEMBERED}/{directory.removeprefix(f'{MODELS}/').replace('/', '-')}.json"


def lock(name: str) -> str:
    """The lock file of one document or model; it is never unlinked while in use."""
    return f"{LOCKS}/{name}.lock"
