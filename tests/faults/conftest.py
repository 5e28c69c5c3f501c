"""What the fault tests share: the injector, a process that obeys it, a place to work in, and a table at the end.

They try a sample of all points, chosen by a fixed seed; with FAULTS=full in the environment, as `make faults` sets it,
every one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness.asking import Ask, Tell
from harness.injector import built
from harness.sweep import Report

import mlcli

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of it is slow."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def injector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """inject.c, compiled."""
    if not sys.platform.startswith("linux") or shutil.which("cc") is None:
        pytest.skip("what goes wrong is injected by a preloaded C library, on Linux, compiled by cc")
    return built(tmp_path_factory.mktemp("injector"))


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory to work in, in memory where there is such a file system."""
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="faults-", dir=memory if os.access(memory, os.W_OK) else None))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Note a report for the table at the end, under a row of the fault matrix."""

    def told(row: str, report: Report) -> Report:
        numbers = [report.points, report.fired, len(report.failed), report.seconds]
        request.node.user_properties.append(("faults", [row, *numbers]))
        return report

    return told


@pytest.fixture
def ask(injector: Path, top: Path, tell: Tell) -> Ask:
    """Ask the harness something, in a process of its own that obeys the injector; its report, noted for the table.

    `package` is where another mlcli than ours lies; with `mounts` it may mount what nobody else sees.
    """

    def asked(verb: str, row: str, *, package: Path | None = None, mounts: bool = False, **question: Any) -> Report:
        apart = ["unshare", "-m" if os.geteuid() == 0 else "-Urm"] if mounts else []
        path = os.pathsep.join(map(str, (package or Path(mlcli.__file__).parent.parent, HERE)))
        done = subprocess.run(
            [
                *apart,
                sys.executable,
                "-m",
                "harness",
                verb,
                msgspec.json.encode({"top": str(top), **question}).decode(),
            ],
            env={**os.environ, "LD_PRELOAD": str(injector), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and done.stderr.startswith("unshare:"):
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr[-3000:]
        report = msgspec.json.decode(done.stdout, type=Report)
        if report.skipped:
            pytest.skip(report.skipped)
        return tell(row, report)

    return asked


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Each row of the fault matrix: points tried, at how many the fault struck, how many failed."""
    rows: dict[str, list[float]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, told in getattr(report, "user_properties", ()):
                if name == "faults" and getattr(report, "when", "") == "call":
                    row, *numbers = told
                    rows[row] = [a + b for a, b in zip(rows.get(row, [0, 0, 0, 0]), numbers, strict=True)]
    if rows:
        terminalreporter.section("faults")
        terminalreporter.line(f"{'row':44}{'points':>9}{'struck':>9}{'failed':>9}{'seconds':>10}")
        for row in sorted(rows, key=lambda row: int(row.split()[0])):
            points, struck, failed, seconds = rows[row]
            terminalreporter.line(f"{row:44}{points:9.0f}{struck:9.0f}{failed:9.0f}{seconds:10.1f}")
