"""Outputs of a run, put back from the store: what a user made of them since is kept first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from msgspec import Struct

from ..domain.names import quoted
from ..domain.observed import Output
from ..domain.run import Artifact
from ..errors import WriteFailed
from ..workspace import Workspace


class PutBack(Struct, frozen=True):
    """An output that was put back; `saved` is where the content lies that it had before, if only there."""

    path: str
    saved: str = ""


def place_for(workspace: Workspace, path: str) -> str | None:
    """Where an output is to be written, through links that stay in the workspace; None where it may not be."""
    root = os.path.realpath(workspace.root)
    place = os.path.realpath(os.path.join(root, path))
    ours = (os.path.realpath(workspace.store.root), os.path.join(root, ".git"))
    if not place.startswith(root + os.sep) or place.startswith(tuple(f"{each}{os.sep}" for each in ours)):
        return None
    return None if os.path.isdir(place) else place


def put_back(workspace: Workspace, outputs: Sequence[Output]) -> list[PutBack]:
    """Write the outputs as the run left them; raises where one cannot be, and none is replaced before all are there."""
    with workspace.store.adding_content(), ExitStack() as stack:
        ready = [(each, *stack.enter_context(_written(workspace, each))) for each in outputs]
        back = []
        for each, place, beside in ready:
            saved = _saved(workspace, each.path, place)
            try:
                os.replace(beside, place)
            except OSError as error:
                raise _failed(each.path, error) from None
            back.append(PutBack(each.path, saved))
        return back


@contextmanager
def _written(workspace: Workspace, output: Output) -> Iterator[tuple[str, str]]:
    """A file beside the output's place that holds its content, and is gone at the end; the place, and where it is."""
    content = workspace.store.content_path(Artifact(path=output.path, size=output.size, digest=output.digest))
    place = place_for(workspace, output.path)
    if place is None:
        raise WriteFailed(f"cannot put {quoted(output.path)} back: its place is not in the project any more")
    beside = os.path.join(os.path.dirname(place), f".{os.path.basename(place)[:80]}.mlcli-{os.urandom(4).hex()}")
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copyfile(content, beside)
        if os.path.exists(place):
            shutil.copymode(place, beside)
        yield place, beside
    except OSError as error:
        raise _failed(output.path, error) from None
    finally:
        with suppress(OSError):
            os.unlink(beside)


def _saved(workspace: Workspace, path: str, place: str) -> str:
    """Keep what lies there if it is nowhere else, and tell where; '' where nothing had to be kept."""
    if not os.path.isfile(place):
        return ""
    size, digest = workspace.store.take_input(place, keep=False)
    there = Artifact(path=path, size=size, digest=digest)
    if workspace.store.has_content(there):
        return ""
    size, digest = workspace.store.take_input(place, keep=True)
    return workspace.relative(workspace.store.content_path(Artifact(path=path, size=size, digest=digest)))


def _failed(path: str, error: OSError) -> WriteFailed:
    return WriteFailed(f"cannot put {quoted(path)} back: {error.strerror}")
