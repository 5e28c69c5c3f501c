"""A recorded environment is built as it was, once; what cannot be had is named."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli import environments
from mlcli.domain.source import Environment
from mlcli.errors import CannotBuild, WriteFailed

HERE = platform.python_version()
SMALL = Environment(python=HERE, implementation="cpython", packages={"six": "1.16.0", "typing-extensions": "4.12.2"})
OWN = Path(environments.__file__).resolve().parents[2]
HINT = "--env current runs it with what is here, and tells every difference"
BUILD = """
import sys
from mlcli import environments
from mlcli.domain.source import Environment
recorded = Environment(python=sys.argv[1], implementation="cpython", packages={"six": "1.16.0"})
print(environments.built(recorded, cache=sys.argv[2], say=lambda line: print(line, flush=True)))
"""


@pytest.fixture
def cache(machine: Path) -> Path:
    return machine / "cache"


@pytest.fixture
def without_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide every uv: directories of the PATH that hold one are left out."""
    path = [each for each in os.environ["PATH"].split(os.pathsep) if not os.path.exists(os.path.join(each, "uv"))]
    monkeypatch.setenv("PATH", os.pathsep.join(path))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def build(cache, said):
    return lambda recorded: Path(environments.built(recorded, cache=str(cache), say=said.append))


def asked(bin_: Path, code: str) -> str:
    done = subprocess.run([bin_ / "python", "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def installed(bin_: Path) -> dict[str, str]:
    code = "import importlib.metadata as m, json; print(json.dumps({d.name.lower().replace('_', '-'): d.version for d in m.distributions()}))"
    return json.loads(asked(bin_, code))


# What it is called


def test_the_same_environment_has_the_same_key_however_it_is_spelled():
    other = replace(SMALL, packages=dict(reversed(SMALL.packages.items())), cpus=64, variables={"CI": "1"})
    assert environments.key(other) == environments.key(SMALL)


@pytest.mark.parametrize(
    "change",
    [
        {"python": "3.1.4"},
        {"implementation": "pypy"},
        {"packages": {"six": "1.16.0"}},
        {"packages": {"six": "1.15.0", "typing-extensions": "4.12.2"}},
        {"packages": {**SMALL.packages, "mlcli": "0.1.0"}},
    ],
)
def test_another_environment_has_another_key(change):
    assert environments.key(replace(SMALL, **change)) != environments.key(SMALL)


def test_the_last_part_of_a_version_of_python_makes_no_other_environment():
    version = HERE.rpartition(".")[0]
    assert environments.key(replace(SMALL, python=f"{version}.99")) == environments.key(SMALL)


# What cannot be built


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"python": ""}, "no Python environment was recorded: the command was no python"),
        ({"python": "new"}, "'new' is no version of Python"),
        (
            {"packages": {"-r /etc/passwd": "1"}},
            "what was recorded names no package that can be installed: '-r /etc/passwd' '1'",
        ),
        (
            {"packages": {"six": "@ https://evil"}},
            "what was recorded names no package that can be installed: 'six' '@ https://evil'",
        ),
    ],
)
def test_what_was_not_recorded_as_an_environment_is_told_and_nothing_is_made(build, cache, change, message: str):
    with pytest.raises(CannotBuild) as told:
        build(replace(SMALL, **change))
    assert (told.value.message, told.value.hint) == (message, HINT)
    assert not [path for path in cache.rglob("*") if path.is_dir() and path.name != environments.DIRECTORY]


def test_a_python_that_is_not_here_is_told_with_what_brings_it(build, without_uv, monkeypatch, machine):
    monkeypatch.setenv("PATH", str(machine))
    with pytest.raises(CannotBuild) as told:
        build(replace(SMALL, python="3.99.1"))
    assert (told.value.message, told.value.hint) == (
        "Python 3.99 is not here, and the run was made with 3.99.1",
        f"install uv, which fetches it, or put python3.99 on the PATH; or: {HINT}",
    )


def test_a_cache_that_cannot_be_written_is_told(build, cache):
    cache.write_text("a file")
    with pytest.raises(WriteFailed, match="cannot build an environment in"):
        build(SMALL)


@pytest.mark.slow
def test_each_package_that_cannot_be_installed_is_named_with_the_installers_words_and_nothing_is_left(
    build, cache, without_uv
):
    packages = {"six": "1.16.0", "mlcli-no-such-package": "1.0", "typing-extensions": "0.0.99"}
    with pytest.raises(CannotBuild) as told:
        build(replace(SMALL, packages=packages))
    assert told.value.message == (
        "2 of 3 recorded packages cannot be installed: "
        "mlcli-no-such-package 1.0 (Could not find a version that satisfies the requirement mlcli-no-such-package==1.0); "
        "typing-extensions 0.0.99 (Could not find a version that satisfies the requirement typing-extensions==0.0.99)"
    )
    assert [path for path in (cache / environments.DIRECTORY).iterdir() if path.is_dir()] == []


@pytest.mark.slow
def test_an_index_that_cannot_be_reached_is_told_once(build, without_uv, monkeypatch, machine):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://ada:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(CannotBuild, match=r"^the package index cannot be reached: Could not find a version") as told:
        build(SMALL)
    assert "secret" not in told.value.message


# What is built


@pytest.mark.slow
def test_an_environment_has_exactly_what_was_recorded_and_is_built_once(
    build, said, cache, without_uv, monkeypatch, machine
):
    (machine / "other" / "six-1.16.0.dist-info").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(machine / "other"))  # what the caller's path has is not in the environment
    bin_ = build(SMALL)
    there = installed(bin_)
    there.pop("pip")
    assert (there, asked(bin_, "import six, typing_extensions; print(six.__version__)")) == (SMALL.packages, "1.16.0")
    assert said == [f"building Python {HERE.rpartition('.')[0]} with 2 packages in {bin_.parent}"]
    before = bin_.stat().st_ctime_ns
    assert (build(SMALL), bin_.stat().st_ctime_ns, len(said)) == (bin_, before, 1)


@pytest.mark.slow
def test_mlcli_itself_comes_from_the_source_that_runs_now(build, without_uv):
    import msgspec

    bin_ = build(replace(SMALL, packages={"mlcli": "0.0.1", "msgspec": msgspec.__version__}))
    found = asked(bin_, "import mlcli, os; print(os.path.realpath(mlcli.__file__))")
    assert (Path(found).parents[1], installed(bin_)["mlcli"]) == (OWN, "0.1.0")
    path = asked(bin_, "import sys; print([path for path in sys.path if 'site-packages' in path])")
    assert path == f"['{next(bin_.parent.glob('lib/*/site-packages'))}']"
    script = (bin_ / "mlcli").read_text().splitlines()
    assert (script[0], os.access(bin_ / "mlcli", os.X_OK)) == (f"#!{bin_}/python", True)


@pytest.mark.slow
def test_a_python_that_differs_in_its_last_part_stands_in_and_that_is_told(build, said, without_uv):
    version = HERE.rpartition(".")[0]
    build(replace(SMALL, python=f"{version}.99", packages={}))
    assert said[1] == f"Python {HERE} stands in for {version}.99, which is not here"


@pytest.mark.slow
def test_half_an_environment_is_built_again(build, without_uv):
    bin_ = build(replace(SMALL, packages={"six": "1.16.0"}))
    (bin_.parent / environments.STAMP).unlink()
    next(bin_.parent.glob("lib/*/site-packages/six.py")).unlink()
    assert build(replace(SMALL, packages={"six": "1.16.0"})) == bin_
    assert asked(bin_, "import six; print(six.__version__)") == "1.16.0"
    (bin_ / "python").unlink()
    build(replace(SMALL, packages={"six": "1.16.0"}))
    assert asked(bin_, "import six; print(six.__version__)") == "1.16.0"


@pytest.mark.slow
def test_who_is_killed_while_it_builds_leaves_nothing_in_the_way(cache, without_uv):
    argv = [sys.executable, "-c", BUILD, HERE, str(cache)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as half:
        assert half.stdout.readline().startswith("building ")
        os.killpg(half.pid, signal.SIGKILL)
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert (told[0].split(" ")[0], asked(Path(told[1]), "import six; print(six.__version__)")) == ("building", "1.16.0")


@pytest.mark.slow
def test_of_two_who_build_the_same_one_builds_and_the_other_waits(cache, without_uv):
    argv = [sys.executable, "-c", BUILD, HERE, str(cache)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline().startswith("building ")
        second = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
        assert second == [
            "waiting for another mlcli, which builds the same environment",
            first.stdout.readline().strip(),
        ]


@pytest.mark.slow
def test_uv_builds_the_same_where_it_is(build, cache):
    from shutil import which

    if not which("uv"):
        pytest.skip("there is no uv")
    assert installed(build(SMALL)) == SMALL.packages
    with pytest.raises(CannotBuild) as told:
        build(replace(SMALL, packages={"six": "0.0.99"}))
    assert told.value.message.startswith("a recorded package cannot be installed: six 0.0.99 (No solution found")
