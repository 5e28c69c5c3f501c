"""Which files are told of one by one, and which directories as one input."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlcli.observation.events import Many, Opened, Stream
from mlcli.observation.files import MANY, touched


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    (tmp_path / "shards").mkdir()
    paths = [tmp_path / "shards" / f"{number:03}" for number in range(MANY)]
    for path in paths:
        path.write_text("1\n")
    return paths


def opened(path: Path, mode: str = "r", t: float = 0.0) -> Opened:
    told = path.stat()
    size = 0 if mode == "w" else told.st_size  # open() has emptied it
    return Opened(t=t, p=str(path), m=mode, st=(size, told.st_mtime_ns, told.st_ino))


def read_by(*streams: Stream, at: Path) -> list[str]:
    return sorted(path.removeprefix(f"{at}/") for path in touched(streams, root=str(at), ours=[]).reads)


def test_a_directory_of_which_several_processes_together_read_many_files_is_one_input(tmp_path, shards):
    streams = [Stream(number, [opened(path) for path in shards[number::4]]) for number in range(4)]
    assert read_by(*streams, at=tmp_path) == ["shards/"]
    assert read_by(*streams[:3], at=tmp_path) == [
        f"shards/{path.name}" for number, path in enumerate(shards) if number % 4 < 3
    ]


def test_what_others_read_of_a_directory_of_which_one_read_many_is_in_it(tmp_path, shards):
    many = Stream(1, [*map(opened, shards), Many(t=1, p=str(tmp_path / "shards"), n=MANY)])
    assert read_by(many, Stream(2, [opened(shards[0])]), at=tmp_path) == ["shards/"]


def test_a_directory_that_the_run_filled_itself_is_no_input(tmp_path, shards):
    written = Stream(1, [opened(path, "w") for path in shards])
    read = [opened(path, t=1) for path in shards]
    assert read_by(written, Stream(2, [*read, Many(t=2, p=str(tmp_path / "shards"), n=MANY)]), at=tmp_path) == []
