"""How good a run was, from the calls that measured it, the files that hold it and what it printed."""

from __future__ import annotations

import math
import os
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from msgspec import Struct

from ..domain.run import MetricSource
from .events import Fitted, Measured
from .metricfiles import from_file as from_file
from .names import Calls, Named
from .series import Series as Series
from .series import flattened, number, valid

_FOLDS = ("cross_val", "cross_validate")
_SEVERAL = "precision_recall_fscore_support"
_TIMES = {"fit_time", "score_time"}
_IN_FULL = 20  # of the calls at one line, before the child tells of fewer
_SHORT = 20


class _Site(Struct):
    """A call in the source that gave a metric: what it is called there, and all that it gave."""

    function: str
    place: str
    named: Named
    events: list[Measured]


def measured(events: Sequence[Measured], root: str) -> list[Series]:
    """The metrics that the library's functions gave, by the names that the source lines gave them.

    Calls of the same line are the steps of one series. Two lines that use one name are told apart by their argument.
    """
    found: dict[str, Series] = {}
    sites = _sites(events, root)
    for site, name in zip(sites, _site_names(sites), strict=True):
        origin = f"{site.function} at {site.place}"
        if site.named.arguments:
            origin += f" of {', '.join(site.named.arguments)}"
        for series in _of_site(site, name, origin):
            key = _free(series.name, found)
            if valid(key):
                found[key] = series if key == series.name else _renamed(series, key)
    return list(found.values())


def searched(fitted: Sequence[Fitted], root: str) -> list[Series]:
    """The best score of each search over params, as GridSearchCV's, by the line that fitted it."""
    found: dict[str, Series] = {}
    for event in sorted(fitted, key=lambda each: each.t):
        if event.best_score is None or list(event.best or ()) == ["iteration"]:
            continue  # the latter is of boosting that stopped early
        origin = f"{event.cls.rpartition('.')[2]} at {place(event.at, root)}"
        known = next((each for each in found.values() if each.origin == origin), None)
        name = known.name if known else _free("best_score", found)
        values = [*(known.values if known else ()), event.best_score]
        times = [*(known.times if known else ()), event.t]
        found[name] = library_series(name, values, times, origin)
    return list(found.values())


def merged(
    library: Sequence[Series],
    files: Sequence[Series],
    printed: Sequence[Series],
    logged: Collection[str],
    known_values: Collection[float] = (),
) -> list[Series]:
    """All metrics, each name once: what was logged outright wins, then the library's, then files', then printed ones.

    A printed one that tells a value which is known already, to the digits that were printed, is no metric of its own.
    """
    kept: dict[str, Series] = {}
    for series in (*library, *files):
        if series.name not in logged:
            kept.setdefault(series.name, series)
    known = sorted({*known_values, *(value for series in kept.values() for value in _telling(series))})
    for series in printed:
        if series.name not in logged and not _is_known(series, known):
            kept.setdefault(series.name, series)
    return list(kept.values())


def place(at: tuple[str, int], root: str) -> str:
    """Where in the source something is, as a reader says it: train.py:39."""
    file = os.path.relpath(at[0], root) if at[0].startswith(root.rstrip(os.sep) + os.sep) else at[0]
    return f"{file}:{at[1]}"


def library_series(name: str, values: list[float], times: list[float], origin: str) -> Series:
    """A series that a library's calls gave: its steps count them."""
    steps = list(range(len(values)))
    return Series(name=name, values=values, steps=steps, times=times, source=MetricSource.LIBRARY, origin=origin)


def _renamed(series: Series, name: str) -> Series:
    return library_series(name, series.values, series.times, series.origin)


def _sites(events: Sequence[Measured], root: str) -> list[_Site]:
    """The calls that events tell of, in the order of their first."""
    calls = Calls()
    sites: dict[tuple[Any, ...], _Site] = {}
    turns: dict[tuple[Any, ...], int] = {}
    for event in sorted(events, key=lambda each: each.t):
        line = (*event.at, event.k)
        turn = turns[line] = turns.get(line, -1) + 1
        named = calls.named(*line, turn)
        many = calls.many(*line)
        if many > 1 and turn >= _IN_FULL:
            continue  # which of the calls in this line it was is not known any more
        site = sites.setdefault((*line, turn % max(many, 1)), _Site(event.k, place(event.at, root), named, []))
        site.events.append(event)
    return list(sites.values())


def _site_names(sites: Sequence[_Site]) -> list[str]:
    """A name for each site: the user's, else the function's.

    Where it stands for several, it is with the argument or the function, if that tells them apart.
    """
    plain = [_site_name(site) for site in sites]
    names = []
    for name, site in zip(plain, sites, strict=True):
        alike = [other for own, other in zip(plain, sites, strict=True) if own == name]
        if not name or len(alike) == 1:
            names.append(name)
        elif argument := _telling_argument(site.named.arguments, [other.named.arguments for other in alike]):
            names.append(f"{name}_{argument}")
        else:
            names.append(site.function if len({other.function for other in alike}) == len(alike) else name)
    return names


def _site_name(site: _Site) -> str:
    if site.events[0].steps:
        return ""  # a history has names of its own, and what it was assigned to is the model
    return site.named.name or ("" if site.function == _SEVERAL else site.function)


def _telling_argument(arguments: list[str], alike: list[list[str]]) -> str:
    """The first argument that is a plain name and is another one in each of the calls that are named alike."""
    for at, argument in enumerate(arguments):
        others = [other[at] for other in alike if len(other) > at]
        if len(set(others)) == len(alike) and all(word.replace(".", "_").isidentifier() for word in others):
            return argument
    return ""


def _free(name: str, taken: Collection[str]) -> str:
    count = 2
    free = name
    while free in taken:
        free = f"{name}_{count}"
        count += 1
    return free


def _of_site(site: _Site, name: str, origin: str) -> Iterator[Series]:
    if site.events[0].steps:
        last = site.events[-1]
        for key, values in flattened(last.v, joint="-").items():
            numbers = [number(value) for value in values] if isinstance(values, list) else []
            if numbers and None not in numbers:
                history = [value for value in numbers if value is not None]
                yield library_series(_joined(name, key), history, [last.t] * len(history), origin)
        return
    series: dict[str, tuple[list[float], list[float]]] = {}
    for event in site.events:
        for key, value in _numbers(event, name):
            values, times = series.setdefault(key, ([], []))
            values.append(value)
            times.append(event.t)
    for key, (values, times) in series.items():
        yield library_series(key, values, times, origin)


def _joined(name: str, key: str) -> str:
    return f"{name}.{key}" if name and key else name or key


def _numbers(event: Measured, name: str) -> Iterator[tuple[str, float]]:
    """The numbers in what a call gave; of folds their mean and standard deviation. A matrix is no metric."""
    value = event.v
    if event.k == _SEVERAL and isinstance(value, list):
        value = dict(zip(("precision", "recall", "fscore"), value, strict=False))
    for key, held in flattened(value).items():
        if key in _TIMES:
            continue
        own = _joined(name, key)
        if (single := number(held)) is not None:
            yield own, single
        elif isinstance(held, list) and event.k.startswith(_FOLDS):
            folds = [fold for fold in map(number, held) if fold is not None]
            if folds and len(folds) == len(held):
                mean = math.fsum(folds) / len(folds)
                own = own.removesuffix("_mean")
                yield f"{own}_mean", mean
                yield f"{own}_std", math.sqrt(math.fsum((fold - mean) ** 2 for fold in folds) / len(folds))


def _telling(series: Series) -> list[float]:
    """The values of a series that are likely to be printed again: of a long one its last, least and greatest."""
    values = series.values
    return values if len(values) <= _SHORT else [values[-1], min(values), max(values)]


def _is_known(series: Series, known: list[float]) -> bool:
    """Whether the last value is that of another metric, as printed, or printed as a percentage."""
    last, decimals = series.values[-1], series.decimals
    if decimals is None:
        return False
    return _is_near(last, decimals, known) or (abs(last) > 1 and _is_near(last / 100, decimals + 2, known))


def _is_near(value: float, decimals: int, known: list[float]) -> bool:
    within = 0.5000001 * 10.0**-decimals
    at = bisect_left(known, value - within)
    return at < len(known) and known[at] <= value + within
