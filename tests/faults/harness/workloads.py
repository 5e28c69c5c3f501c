"""The workloads: what was there before, and what is done while something goes wrong."""

from __future__ import annotations

from collections.abc import Sequence

from .operations import (
    Operation,
    artifact,
    begin,
    burst,
    collect,
    directory,
    end,
    finish,
    look,
    metrics,
    model,
    note,
    params,
    point,
    points,
    promote,
    register,
    remove,
    remove_version,
    restore,
    restore_version,
    tags,
)

Operations = Sequence[Operation]


def ended(name: str, content: str = "") -> list[Operation]:
    """A finished run, with a model where `content` says what is in it."""
    logged = [model(name, content)] if content else []
    return [begin(name), params(name, depth=3), metrics(name, 0, loss=0.5), *logged, finish(name)]


_REGISTRY = [*ended("one", "first"), *ended("two", "second"), register("iris", "one"), promote("iris", 1, "production")]

WORKLOADS: dict[str, tuple[Operations, Operations]] = {
    "first run": ([], [begin("a"), params("a", lr=0.1), metrics("a", 0, loss=0.5), finish("a")]),
    "params and tags": (
        [begin("a")],
        [params("a", lr=0.1, depth=3), tags("a", owner="ada"), note("a", "as before"), params("a", seed=1), finish("a")],
    ),
    "metrics": (
        [begin("a")],
        [metrics("a", 0, loss=0.9, accuracy=0.1), metrics("a", 1, loss=0.8), look(), metrics("a", 2, loss=0.7), finish("a")],
    ),
    "recorder": (
        [begin("a")],
        [
            point("a", "loss", 0, 0.9),
            points("a", 0, accuracy=0.5, recall=0.25, f1=0.125),
            *(point("a", "loss", step, 1 / (step + 1), jump=0.4) for step in range(1, 6)),
            points("a", 6, **{f"layer{number}/norm": number / 8 for number in range(40)}),
            params("a", late=True),
            point("a", "loss", 7, 0.1),
            finish("a"),
        ],
    ),
    "mapped": (
        [begin("a")],
        [
            burst("a", "loss", 150),
            points("a", 1, **{f"layer{number}/weights/standard-deviation": number / 8 for number in range(40)}),
            point("a", "loss", 150, 0.5, jump=1.5),
            burst("a", "accuracy", 20),
            finish("a"),
        ],
    ),
    "outlived": (
        [begin("a")],
        [burst("a", "loss", 120), end("a"), point("a", "loss", 120, 0.5), metrics("a", 0, late=0.25), finish("a")],
    ),
    "two runs": (
        ended("old"),
        [
            begin("a"), begin("b"), point("a", "loss", 0, 0.5), point("b", "loss", 0, 0.25),
            params("b", lr=0.5), finish("a"), point("b", "loss", 1, 0.2), finish("b"),
        ],
    ),
    "artifacts": (
        [begin("a")],
        [
            artifact("a", "notes.txt", "some notes"),
            directory("a", "plots", **{"loss.svg": "<svg/>", "roc.svg": "<svg />", "again.txt": "some notes"}),
            artifact("a", "weights.bin", "0123456789abcdef" * 20_000),
            artifact("a", "notes.txt", "other notes"),
            finish("a"),
        ],
    ),
    "many files": (
        [begin("a"), artifact("a", "there", "content 3")],
        [
            directory("a", "data", **{f"{number}.txt": f"content {number}" for number in range(20)}),
            directory("a", "data", **{f"{number}.txt": f"other {number}" for number in range(18, 22)}),
            finish("a"),
        ],
    ),
    "model": (
        [],
        [begin("a"), model("a", "weights"), finish("a"), register("iris", "a"), promote("iris", 1, "staging")],
    ),
    "registry": (
        _REGISTRY,
        [
            register("iris", "two"), promote("iris", 2, "staging"), promote("iris", 2, "production"),
            register("wine", "two"), promote("wine", 1, "archived"), look(),
        ],
    ),
    "remove": (
        [*ended("a"), *ended("b", "content"), *ended("c"), *ended("d")],
        [remove("a"), remove("b"), remove("c", "d"), restore("b"), restore("d")],
    ),
    "remove versions": (
        [*_REGISTRY, register("iris", "two"), register("wine", "one")],
        [remove_version("iris", 2), restore_version("iris", 2), remove_version("iris", 2), register("iris", "two")],
    ),
    "collect": (
        [
            *_REGISTRY, *ended("a", "unique"), *ended("b", "content"), *ended("c"), register("iris", "two"),
            remove("a", "c"), remove_version("iris", 2),
        ],
        [collect(days=1), remove("b"), restore("b"), collect(), remove("b"), collect()],
    ),
    "reading": (_REGISTRY, [look(), look()]),
}  # fmt: skip

# More points than go into one segment of mapped memory: a second for each point of the sweep.
LARGE: dict[str, tuple[Operations, Operations]] = {
    "segments": ([begin("a")], [burst("a", "loss", 9000), point("a", "loss", 9000, 0.5, jump=1.5), finish("a")]),
}

# One more write of each kind, after all is over.
AFTERWARDS: Operations = [
    begin("after"), params("after", lr=1), tags("after", owner="ada"), metrics("after", 0, loss=0.5),
    point("after", "loss", 1, 0.25), artifact("after", "notes.txt", "some notes"), model("after", "weights"),
    finish("after"), register("after-model", "after"), promote("after-model", 1, "production"),
    begin("spare"), finish("spare"), remove("spare"), look(),
]  # fmt: skip
