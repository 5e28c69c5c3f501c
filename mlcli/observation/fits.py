"""The models that a run fitted, and which file holds which of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from ..domain.observed import Fit
from .events import Dumped, Event, Fitted, Moved, Part, Place, Repeated, Stream
from .kept import kept_params
from .metrics import place
from .pickles import is_part

MAX_FITS = 1000


class Made(Struct, frozen=True):
    """How a file was made: the function that wrote it, the class of the model in it, and the number of its fit."""

    how: str
    cls: str
    fit: int | None

    @property
    def model(self) -> bool:
        """Whether it holds a model, and not only what prepares data for one."""
        return bool(self.cls) and not is_part(self.cls)


def fits(streams: Sequence[Stream], root: str) -> list[Fit]:
    """What was fitted, in the order of time; `calls` says how often a line fitted that is told of only now and then."""
    calls: dict[Place, int] = {}
    for stream in streams:
        repeated = {event.at: event.n for event in stream.of(Repeated)}  # each tells of all up to then
        told: dict[Place, int] = {}
        for event in stream.of(Fitted):
            told[event.at] = told.get(event.at, 0) + 1
        for at, count in told.items():
            calls[at] = calls.get(at, 0) + max(count, repeated.get(at, 0))
    return [_fit(event, calls[event.at], root) for _, event in _chosen(streams)]


def makers(streams: Sequence[Stream]) -> dict[str, Made]:
    """For each path that a model or other object was written to, by what and which; the last one to write it counts.

    Of several models in a bundle it is the first that this process fitted, and what prepares data comes after them. A
    file that was renamed is found by its last name.
    """
    numbers = {id(event): number for number, (_, event) in enumerate(_chosen(streams))}
    made: dict[str, tuple[float, Made]] = {}
    for stream in streams:
        fitted: dict[int, Fitted] = {}
        for event in stream.events:
            if isinstance(event, Fitted):
                fitted[event.oid] = event
            elif isinstance(event, Dumped):
                _note(made, event.p, event, _made(event, fitted, numbers))
    for moved in _moves(streams):
        if moved.a in made and made[moved.a][0] <= moved.t:
            _note(made, moved.b, moved, made.pop(moved.a)[1])
    return {path: held for path, (_, held) in made.items()}


def _chosen(streams: Sequence[Stream]) -> list[tuple[Stream, Fitted]]:
    """The fits that are kept, in the order of time: the last thousand."""
    every = [(stream, event) for stream in streams for event in stream.of(Fitted)]
    return sorted(every, key=lambda each: each[1].t)[-MAX_FITS:]


def _fit(event: Fitted, calls: int, root: str) -> Fit:
    return Fit(
        cls=event.cls, params=kept_params(event.set), nested=kept_params(event.sub), shape=event.shape,
        seconds=event.dt, at=place(event.at, root), calls=calls, best_score=event.best_score,
        best=None if event.best is None else kept_params(event.best),
    )  # fmt: skip


def _note(made: dict[str, tuple[float, Made]], path: str, event: Event, new: Made) -> None:
    if path not in made or made[path][0] <= event.t:
        made[path] = (event.t, new)


def _made(event: Dumped, fitted: dict[int, Fitted], numbers: dict[int, int]) -> Made:
    parts = sorted(event.parts.values(), key=lambda part: is_part(part.cls))  # stable: else as they were written
    for part in parts:
        fit = _fit_of(part, fitted)
        if fit is not None:
            return Made(event.how, part.cls, numbers.get(id(fit)))
    return Made(event.how, parts[0].cls if parts else "", None)


def _fit_of(part: Part, fitted: dict[int, Fitted]) -> Fitted | None:
    """The last fit before that made this object, or what it is a part of; another class has only taken over its id().

    A search's best estimator and a wrapper's booster were fitted as parts of these.
    """
    fit = fitted.get(part.oid) if part.fitted_here else None
    if fit is None or fit.cls == part.cls or fit.best is not None or part.cls.endswith("Booster"):
        return fit
    return None


def _moves(streams: Sequence[Stream]) -> Iterator[Moved]:
    moves = [event for stream in streams for event in stream.of(Moved)]
    yield from sorted(moves, key=lambda event: event.t)
