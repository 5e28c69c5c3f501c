"""What a run's processes did, put into its document: inputs, executed code, outputs, models, params, metrics, fits."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from .. import capture
from ..domain.observed import Capture, Code, Fit, Kind, Usage
from ..domain.run import Run
from ..domain.secrets import masked_text
from ..errors import MlcliError
from ..relay import Ending
from ..tracking import Seen
from ..workspace import Workspace

if TYPE_CHECKING:
    from ..domain.run import Digests
    from ..observation.events import Stream
    from .beside import Beside

ALL = frozenset(Kind)
_KNOWN = {Kind.INPUTS, Kind.OUTPUTS, Kind.CODE}
_SCRIPTS = (".sh", ".bash", ".R", ".r", ".jl", ".pl", ".rb", ".lua")


class Watch(Struct, frozen=True, kw_only=True):
    """How a run is watched: where its processes tell what they do ('' where they are not asked), and of what kinds.

    `trouble` says why they cannot be asked. `outputs` are those that were declared, by absolute path. `native` is
    whether programs that are no Python are watched, too.
    """

    events: str = ""
    kinds: frozenset[Kind] = ALL
    trouble: str | None = None
    outputs: Sequence[str] = ()
    native: bool = False


def begin(
    workspace: Workspace, run: Run, environ: Mapping[str, str], off: Collection[Kind], native: str = ""
) -> tuple[Watch, dict[str, str]]:
    """Watch a run that is about to start, and what to add to its environment. Never raises: the watch tells trouble.

    `native` is the library that is preloaded into its programs, '' for none.
    """
    kinds = ALL - frozenset(off)
    if not kinds - {Kind.PRINTED}:
        return Watch(kinds=kinds), {}
    try:
        directory = capture.hook.installed(workspace.cache_directory)
        events = workspace.store.events_directory(run.id)
    except (capture.hook.NoHook, MlcliError) as trouble:
        return Watch(kinds=kinds, trouble=f"the command was not watched: {trouble}"), {}
    watch = Watch(events=events, kinds=kinds, native=bool(native))
    return watch, capture.hook.variables(environ, directory, events, kinds, native)


def require_system() -> None:
    """MissingPackage where what samples memory and GPU is not installed."""
    from .system import library

    library()


def alongside(workspace: Workspace, run: Run, watch: Watch, *, system: bool = False) -> Beside:
    """What is to work beside the command; started once that runs, it also loads what is needed at the end.

    With `system` it samples what the command uses: MissingPackage where psutil is not there.
    """
    from .beside import Beside

    sampler = None
    if system:
        from .system import Sampler

        sampler = Sampler(workspace, run.id)
    return Beside(workspace, run.id, watch.events, sampler)


def seen(
    workspace: Workspace,
    run: Run,
    watch: Watch,
    ending: Ending,
    *,
    argv: Sequence[str],
    cwd: str,
    digests: Digests | None = None,
) -> Seen:
    """Add up what was seen of a run that ended, keep what it wrote, and tell what its document should say of it."""
    from ..observation import completeness, events
    from . import files, models, values

    streams = events.read(watch.events) if watch.events else []
    made = _fits(workspace, streams) if Kind.MODELS in watch.kinds else []
    found = Seen(fits=made, usage=Usage(cpu_seconds=ending.cpu_seconds, peak_memory=ending.peak_memory))
    missing = completeness.missing(streams, argv, ending.pid, native=watch.native) if watch.events else []
    with workspace.store.adding_content(), digests or workspace.store.digesting() as digests:
        touched = files.touched_by(workspace, streams)
        if Kind.INPUTS in watch.kinds:
            found = replace(found, inputs=files.inputs(workspace, run, touched, digests), urls=files.urls(streams))
        declared = files.at(watch.outputs)
        written = {**declared, **touched.writes} if Kind.OUTPUTS in watch.kinds else declared
        if written:
            found = replace(found, outputs=files.outputs(workspace, written, found.inputs, streams, declared))
            missing += files.too_many(written)
        if Kind.MODELS in watch.kinds:
            artifacts, kept = models.kept(workspace, run, found.outputs, made)
            found = replace(found, artifacts=artifacts, models=kept)
    if Kind.CODE in watch.kinds:
        code = _code(workspace, run, streams, argv, cwd)
        executed = {each.path for each in code.modules} if code else set()
        # A shell reads its script as it reads data.
        found = replace(found, code=code, inputs=[each for each in found.inputs if each.path not in executed])
    if Kind.PARAMS in watch.kinds:
        found = replace(found, params=values.params(workspace, run, streams, found.inputs))
    found = replace(found, metrics=values.metrics(workspace, run, streams, found.outputs, watch.kinds))
    environment = capture.environment.of_process(
        run.environment, *_interpreter(streams), workspace.environ, [cwd, workspace.root]
    )
    off = ALL - watch.kinds
    missing += [watch.trouble] if watch.trouble else []
    told = Capture(
        complete=bool(streams) and not missing and not off & _KNOWN,
        processes=completeness.processes(streams),
        native=watch.native,
        listed=files.listed(workspace, streams, [*run.inputs, *found.inputs], found.outputs),
        missing=[masked_text(line) for line in missing],
        off=sorted(str(kind) for kind in off),
    )
    return replace(found, capture=told, environment=environment)


def _fits(workspace: Workspace, streams: Sequence[Stream]) -> list[Fit]:
    from ..observation.events import Fitted

    if not any(stream.of(Fitted) for stream in streams):
        return []
    from ..observation import fits

    return fits.fits(streams, workspace.root)


def forget(workspace: Workspace, run: Run) -> None:
    """Remove what the processes told, now that the run's document says it."""
    with suppress(MlcliError):
        workspace.store.forget_events(run.id)


def _code(workspace: Workspace, run: Run, streams: Sequence[Stream], argv: Sequence[str], cwd: str) -> Code | None:
    from ..observation import code

    scripts = []
    for word in argv[:2]:
        path = os.path.realpath(os.path.join(cwd, word))
        named = word.endswith(_SCRIPTS) or (word is argv[0] and "/" in word and not os.path.islink(word))
        if named and os.path.isfile(path) and path.startswith(os.path.realpath(workspace.root) + os.sep):
            scripts.append(path)
    if os.path.basename(argv[0]) in {"make", "gmake"} and os.path.isfile(os.path.join(cwd, "Makefile")):
        scripts.append(os.path.realpath(os.path.join(cwd, "Makefile")))
    with suppress(MlcliError, OSError):
        return code.executed(streams, scripts, root=workspace.root, git=run.git)
    return None


def _interpreter(streams: Sequence[Stream]) -> tuple[str, str]:
    """Where the first Python of the run is installed, and its version; '' where none told of itself."""
    from ..observation.events import Began

    for stream in streams:
        for began in stream.of(Began):
            return began.prefix, began.ver
    return "", ""
