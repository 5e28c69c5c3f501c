"""Values in words: numbers, sizes, times, as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..domain.numbers import finite
from .output import escaped, json_line

if TYPE_CHECKING:
    from ..domain.model import ModelVersion
    from ..domain.observed import Code, Output
    from ..domain.reproduction import Reproduction
    from ..domain.run import Input, Run
    from ..domain.source import GitState


def share(message: str) -> str:
    """The git command that shares what was written to the registry."""
    return f"git add .mlruns && git commit -m '{message}'"


def number(value: Any) -> str:
    """A number as people read it: 0.973, 1.2e-05, NaN."""
    if isinstance(value, bool) or not isinstance(value, float):
        return value if isinstance(value, str) else json_line(value)
    if value != value or value in {float("inf"), float("-inf")}:
        return str(finite(value))
    if value == int(value) and abs(value) < 1e15:
        return f"{value:.1f}" if abs(value) < 1e6 else f"{value:.6g}"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.6g}"


def signed(value: float) -> str:
    """A change with its sign: +0.033."""
    return f"{value:+.3g}" if abs(value) < 1e4 else f"{value:+.6g}"


def size(count: int) -> str:
    """Bytes as people read them: 185 kB."""
    if count < 1000:
        return f"{count} B"
    for unit in ("kB", "MB", "GB", "TB"):
        count_in = count / 1000 ** (("kB", "MB", "GB", "TB").index(unit) + 1)
        if count_in < 999.5 or unit == "TB":
            return f"{count_in:.0f} {unit}" if count_in >= 10 else f"{count_in:.1f} {unit}"
    return str(count)


def duration(seconds: float | None) -> str:
    """A duration as people read it: 3.2 s, 4m 10s, 2h 05m."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago: 4s, 12m, 3h, 5d, then the date."""
    seconds = (now - moment).total_seconds()
    if seconds < 0:
        return moment.strftime("%Y-%m-%d")
    for limit, unit, each in ((60, "s", 1), (3600, "m", 60), (86400, "h", 3600), (86400 * 14, "d", 86400)):
        if seconds < limit:
            return f"{int(seconds // each)}{unit}"
    return moment.strftime("%Y-%m-%d")


def stamp(moment: datetime) -> str:
    """A time as people read it, UTC."""
    return moment.strftime("%Y-%m-%d %H:%M")


def sparkline(values: Sequence[float]) -> str:
    """A metric's course in up to eight signs; '' where there is none to see."""
    points = [value for value in values if value == value and abs(value) != float("inf")]
    if len(points) < 2:
        return ""
    if len(points) > 8:
        points = [points[round(at * (len(points) - 1) / 7)] for at in range(8)]
    low, high = min(points), max(points)
    if low == high:
        return ""
    return "".join("▁▂▃▄▅▆▇█"[min(7, int((point - low) / (high - low) * 7.999))] for point in points)


def short_digest(digest: str) -> str:
    """A digest's beginning: sha256:41c0b3f29a7e."""
    algorithm, _, rest = digest.partition(":")
    return f"{algorithm}:{rest[:12]}"


def told_input(each: Input) -> str:
    """A file that a run was made from, escaped: data/train.csv 4.2 MB sha256:41c0b3f29a7e, kept."""
    told = short_digest(each.digest) if each.digest else "changed while it was read"
    told += f", {counted(each.files, 'file')}" if each.files else ""
    kept = ", kept" if each.kept else ""
    return f"{escaped(each.path)} {size(each.size)} {told}{kept}"


def other_outputs(run: Run) -> list[Output]:
    """What a run wrote that is not told already, as an artifact of the same path."""
    told = {(file.path, file.digest) for file in run.artifacts}
    return [each for each in run.outputs if (each.path, each.digest) not in told]


def told_output(each: Output) -> str:
    """A file that a run wrote, escaped: models/model.joblib model (pickle) Pipeline 703 kB sha256:0f9daaf9238f."""
    kind = each.kind + (f" ({each.format})" if each.format else "")
    cls = f" {each.cls.rpartition('.')[2]}" if each.cls and each.kind == "model" else ""
    return f"{escaped(each.path)} {escaped(kind)}{escaped(cls)} {size(each.size)} {short_digest(each.digest)}"


def told_code(code: Code) -> str:
    """What was executed: 3 modules of the project sha256:bfe8661278ab, 1 modified (churn/features.py)."""
    told = f"{counted(len(code.modules), 'module')} of the project {short_digest(code.digest)}"
    for state in ("modified", "untracked", "changed"):
        paths = [module.path for module in code.modules if module.state == state]
        if paths:
            more = ", …" if len(paths) > 3 else ""
            word = "changed meanwhile" if state == "changed" else state
            told += f", {len(paths)} {word} ({escaped(', '.join(paths[:3]))}{more})"
    for place in code.elsewhere:
        told += f", {counted(place.modules, 'module')} of {escaped(place.path)}"
    return told


def told_reproductions(made: Sequence[Reproduction]) -> str:
    """How a run came out again: reproduced once, identical; reproduced 3 times: 2 identical, 1 different."""
    verdicts = [str(each.verdict) for each in made]
    times = "once" if len(made) == 1 else f"{len(made)} times"
    if len(set(verdicts)) == 1:
        return f"reproduced {times}, {verdicts[0]}"
    ordered = [each for each in ("identical", "equivalent", "different") if each in verdicts]
    return f"reproduced {times}: " + ", ".join(f"{verdicts.count(each)} {each}" for each in ordered)


def no_commit(git: GitState) -> str:
    """Why a run has no commit, and what keeps its code all the same."""
    kept = f", kept as {git.snapshot.commit[:7]}" if git.snapshot else ""
    return f"no commit: {git.reason or 'unknown'}{kept}"


def uncommitted(git: GitState) -> str:
    """What a run was made from beside its commit: + uncommitted train.py and 2 more, kept as 77ab123."""
    files = [*git.changed, *git.untracked]
    more = f" and {len(files) + git.left_out - 1} more" if len(files) + git.left_out > 1 else ""
    kept = f", kept as {git.snapshot.commit[:7]}" if git.snapshot else ""
    return f"+ uncommitted {files[0] if files else 'changes'}{more}{kept}"


def counted(count: int, what: str) -> str:
    """A number of things: 1 run, 2 runs."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def reference(thing: Run | ModelVersion) -> str:
    """How a run or version is typed: its id, or iris@3."""
    return getattr(thing, "ref", None) or str(thing.id)  # type: ignore[union-attr]


def called(thing: Run | ModelVersion) -> str:
    """A run or version as people read it: 3f9a1c2b hopeful-otter, iris@3."""
    return getattr(thing, "ref", None) or f"{thing.id[:8]} {thing.name}"  # type: ignore[union-attr]


def told_value(value: Any) -> str:
    """A param's value as people read it."""
    return value if isinstance(value, str) else number(value)
