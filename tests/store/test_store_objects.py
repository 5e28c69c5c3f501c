"""Artifacts: content once, by its digest, read-only; the user's own files are only read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mlcli.domain.run import Artifact
from mlcli.errors import InvalidName, InvalidValue, NotFound, WriteFailed
from mlcli.store import objects
from mlcli.store.files import Files

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def objects_in(files: Files) -> list[str]:
    return sorted(
        str(path.relative_to(files.root)) for path in Path(files.root, "objects").rglob("*") if path.is_file()
    )


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A file of the user's, as a training program leaves it."""
    path = tmp_path / "model.joblib"
    path.write_bytes(b"weights")
    path.chmod(0o640)
    return path


def test_content_lies_under_its_digest_and_may_not_be_written(files: Files, made: Path):
    kept = objects.put(files, str(made), "model/model.joblib")
    where = Path(objects.verify(files, kept))
    assert (kept.path, kept.size, where.read_bytes()) == ("model/model.joblib", 7, b"weights")
    assert (stat.S_IMODE(where.stat().st_mode), f"sha256:{where.name}") == (0o444, kept.digest)


def test_the_users_file_is_left_as_it_is(files: Files, made: Path):
    before = made.stat()
    objects.put(files, str(made), "model")
    after = made.stat()
    assert [getattr(after, field) == getattr(before, field) for field in ("st_ino", "st_mode", "st_mtime_ns", "st_nlink")] == [
        True, True, True, True,
    ]  # fmt: skip


def test_what_the_user_writes_later_does_not_reach_what_was_kept(files: Files, made: Path):
    kept = objects.put(files, str(made), "model")
    made.write_bytes(b"other")
    assert Path(objects.verify(files, kept)).read_bytes() == b"weights"


def test_the_same_content_is_kept_once(files: Files, made: Path, tmp_path: Path):
    (tmp_path / "copy").write_bytes(b"weights")
    kept = [objects.put(files, str(made), "a"), objects.put(files, str(tmp_path / "copy"), "b")]
    assert (kept[0].digest == kept[1].digest, len(objects_in(files)), files.names(".cache/tmp")) == (True, 1, [])


def test_an_empty_file_is_content_too(files: Files, tmp_path: Path):
    (tmp_path / "empty").touch()
    assert objects.put(files, str(tmp_path / "empty"), "e") == Artifact(path="e", size=0, digest=EMPTY)


def test_content_of_many_megabytes_is_copied_in_parts(files: Files, tmp_path: Path):
    (tmp_path / "big").write_bytes(b"x" * (3 * 2**20 + 1))
    kept = objects.put(files, str(tmp_path / "big"), "big")
    assert (kept.size, objects.digest_of_file(str(tmp_path / "big"))) == (3 * 2**20 + 1, kept.digest)


def test_a_link_to_a_file_keeps_the_content_it_leads_to(files: Files, made: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(made)
    assert Path(objects.verify(files, objects.put(files, str(tmp_path / "link"), "m"))).read_bytes() == b"weights"


def named(path: str, make) -> str:
    make(path)
    return path


@pytest.mark.parametrize("special", ["/dev/zero", "/dev/null", "/proc"])
def test_what_is_no_regular_file_is_refused(files: Files, special: str):
    with pytest.raises(InvalidValue, match="is not a regular file"):
        objects.put(files, special, "x")
    assert files.names(".cache/tmp") == []


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink(path, path)])
def test_a_pipe_or_a_circle_of_links_is_refused_at_once(files: Files, tmp_path: Path, make):
    with pytest.raises(InvalidValue, match=r"is not a regular file|cannot read"):
        objects.put(files, named(str(tmp_path / "x"), make), "x")


def test_a_file_that_is_not_there_is_not_found(files: Files, tmp_path: Path):
    with pytest.raises(NotFound, match="no such file"):
        objects.put(files, str(tmp_path / "none"), "x")


def test_content_that_does_not_fit_leaves_nothing_behind(files: Files, python, tmp_path: Path):
    (tmp_path / "big").write_bytes(b"x" * 4096)
    done = python(
        """
import resource, sys
from mlcli.errors import WriteFailed
from mlcli.store import objects
from mlcli.store.files import Files
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    objects.put(Files(sys.argv[1]), sys.argv[2], "big")
except WriteFailed as error:
    print(error.message)
""",
        files.root,
        str(tmp_path / "big"),
    )
    assert (done.stdout, done.stderr) == ("cannot write .mlruns/objects: the file would pass a size limit\n", "")
    assert (objects_in(files), files.names(".cache/tmp")) == ([], [])


def test_a_directory_is_gathered_with_the_paths_its_files_will_have(tmp_path: Path):
    (tmp_path / "model" / "data").mkdir(parents=True)
    (tmp_path / "model" / "b").touch()
    (tmp_path / "model" / "a").touch()
    (tmp_path / "model" / "data" / "x").touch()
    gathered = [below for _, below in objects.gathered(str(tmp_path / "model"), "best")]
    assert gathered == ["best/a", "best/b", "best/data/x"]
    assert [below for _, below in objects.gathered(str(tmp_path / "model"), "")] == ["a", "b", "data/x"]


def test_a_link_within_a_directory_is_followed(tmp_path: Path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a").touch()
    (tmp_path / "model" / "link").symlink_to("a")
    assert [below for _, below in objects.gathered(str(tmp_path / "model"), "m")] == ["m/a", "m/link"]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/etc/passwd", "is a link out of the directory"),
        ("../secret", "is a link out of the directory"),
        ("/etc", "is a link out of the directory"),
        ("inner", "is a link to a directory"),
    ],
)
def test_a_link_that_leads_elsewhere_is_refused(tmp_path: Path, target: str, told: str):
    (tmp_path / "model" / "inner").mkdir(parents=True)
    (tmp_path / "secret").touch()
    (tmp_path / "model" / "link").symlink_to(target)
    with pytest.raises(InvalidValue, match=told):
        objects.gathered(str(tmp_path / "model"), "m")


@pytest.mark.parametrize("name", ["con", "x.", "a:b", "back\\slash", "bell\x07", "NUL.txt"])
def test_a_file_whose_name_not_every_system_can_keep_is_refused(tmp_path: Path, name: str):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / name).touch()
    with pytest.raises(InvalidName, match="cannot name an artifact"):
        objects.gathered(str(tmp_path / "model"), "m")


@pytest.mark.parametrize("name", ["-rf", "$(touch PWN)", ";touch PWN", "%s%n", "模型", "a b", "é"])
def test_a_file_with_an_odd_name_is_kept_as_it_is_called(tmp_path: Path, name: str):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / name).touch()
    assert [below for _, below in objects.gathered(str(tmp_path / "model"), "m")] == [f"m/{name}"]


def test_a_manifest_tells_two_directories_apart_by_names_and_content():
    one = [Artifact(path="m/a", size=1, digest="sha256:1"), Artifact(path="m/b", size=1, digest="sha256:2")]
    swapped = [Artifact(path="m/a", size=1, digest="sha256:2"), Artifact(path="m/b", size=1, digest="sha256:1")]
    assert objects.manifest_digest(one, "m") == objects.manifest_digest(one[::-1], "m")
    assert objects.manifest_digest(one, "m") != objects.manifest_digest(swapped, "m")


def test_an_object_that_cannot_be_written_is_told(files: Files, made: Path):
    files.create("objects", b"a file where a directory should be")
    with pytest.raises(WriteFailed, match=r"cannot write .mlruns/objects/"):
        objects.put(files, str(made), "m")
    assert files.names(".cache/tmp") == []
