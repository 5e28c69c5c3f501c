"""Where a command works: found once, with its settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlcli.domain.source import Person
from mlcli.errors import InvalidName, InvalidSettings, NoStore
from mlcli.settings import Settings, read_settings
from mlcli.workspace import Workspace, random_id, utc_now


def found(directory: Path | str | None = None, **environ: str) -> tuple[str, str]:
    """The workspace's directory and its store's."""
    workspace = Workspace.find(None if directory is None else str(directory), environ)
    return workspace.root, workspace.store.root


# Finding


def test_the_top_of_the_repository_is_the_workspace_from_anywhere_in_it(repo: Path, monkeypatch):
    (repo / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(repo / "a" / "b")
    assert found() == found(repo / "a") == (str(repo), f"{repo}/.mlruns")


def test_the_nearest_store_is_taken_before_the_repository(repo: Path):
    (repo / "sub" / ".mlruns").mkdir(parents=True)
    (repo / "sub" / "deep").mkdir()
    assert found(repo / "sub" / "deep") == (f"{repo}/sub", f"{repo}/sub/.mlruns")


def test_a_store_above_the_repository_is_not_its_store(repo: Path):
    (repo.parent / ".mlruns").mkdir()
    assert found(repo) == (str(repo), f"{repo}/.mlruns")


def test_without_a_repository_the_directory_itself_is_the_workspace(machine: Path):
    assert found(machine / "work") == (f"{machine}/work", f"{machine}/work/.mlruns")


def test_a_linked_worktree_is_a_workspace_of_its_own(repo: Path, git):
    git("worktree", "add", "-q", "../linked")
    assert found(repo.parent / "linked")[0] == f"{repo.parent}/linked"


def test_a_store_named_by_the_environment_is_taken(repo: Path, machine: Path):
    assert found(MLCLI_STORE=f"{machine}/kept") == (str(machine), f"{machine}/kept")


def test_inside_a_run_the_runs_workspace_is_taken_wherever_its_command_went(repo: Path, machine: Path):
    assert found(MLCLI_ROOT=str(repo)) == (str(repo), f"{repo}/.mlruns")
    assert found(MLCLI_ROOT=str(repo), MLCLI_STORE=f"{machine}/kept") == (str(repo), f"{machine}/kept")


def test_a_directory_that_is_asked_for_wins_over_the_environment(repo: Path, machine: Path):
    assert found(repo, MLCLI_STORE=f"{machine}/kept", MLCLI_ROOT=str(machine)) == (str(repo), f"{repo}/.mlruns")


def test_a_current_directory_that_was_deleted_is_told(machine: Path, monkeypatch):
    (machine / "gone").mkdir()
    monkeypatch.chdir(machine / "gone")
    (machine / "gone").rmdir()
    with pytest.raises(NoStore, match="the current directory was deleted"):
        Workspace.find()


def test_a_path_with_odd_letters_works(machine: Path, monkeypatch, git):
    odd = machine / "work" / "it's\n ünïcode  dir"
    odd.mkdir()
    monkeypatch.chdir(odd)
    git("init", "-q")
    workspace = Workspace.find()
    workspace.make_store()
    assert (workspace.root, workspace.store.is_made(), workspace.head()) == (str(odd), True, None)


def test_reading_wants_a_store_and_makes_none(workspace, repo: Path):
    with pytest.raises(NoStore):
        workspace.require_store()
    assert [workspace.make_store(), workspace.make_store(), (repo / ".mlruns").is_dir()] == [True, False, True]
    workspace.require_store()


def test_paths_are_told_from_the_workspaces_top(workspace, repo: Path):
    assert [workspace.relative(f"{repo}/data/x.csv"), workspace.relative(f"{repo}/../y")] == ["data/x.csv", "../y"]


# Who, where, when


def test_who_acts_is_gits_user(workspace):
    assert workspace.person() == Person(name="Ada Lovelace", email="ada@example.com")


def test_without_a_repository_who_acts_is_the_login_name(machine: Path):
    assert Workspace(str(machine / "work"), environ={"USER": "ada"}).person() == Person(name="ada")
    assert Workspace(str(machine / "work"), environ={"LOGNAME": "bob"}).person() == Person(name="bob")
    assert Workspace(str(machine / "work"), environ={}).person() == Person()


def test_the_commit_is_that_of_head_where_there_is_one(workspace, git, machine: Path):
    assert workspace.head() == git("rev-parse", "HEAD")
    assert Workspace(str(machine / "work")).head() is None


def test_ids_and_times_are_as_the_store_wants_them():
    assert (len(random_id()), random_id() == random_id(), utc_now().utcoffset().total_seconds()) == (32, False, 0.0)


# Settings


@pytest.fixture
def user_file(machine: Path) -> Path:
    path = machine / "home" / ".config" / "mlcli" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_without_any_setting_the_defaults_hold(repo: Path):
    assert read_settings(str(repo), {}) == Settings(experiment="default", durability="full")


def test_what_lies_nearer_wins(repo: Path, user_file: Path):
    environ = {"HOME": os.environ["HOME"]}
    told = [read_settings(str(repo), environ).experiment]
    user_file.write_text('experiment = "user"\ndurability = "none"\n')
    told.append(read_settings(str(repo), environ).experiment)
    (repo / "mlcli.toml").write_text('experiment = "file"\n')
    told.append(read_settings(str(repo), environ).experiment)
    (repo / "pyproject.toml").write_text('[tool.mlcli]\nexperiment = "project"\n')
    told.append(read_settings(str(repo), environ).experiment)
    told.append(read_settings(str(repo), {**environ, "MLCLI_EXPERIMENT": "variable"}).experiment)
    assert told == ["default", "user", "file", "project", "variable"]
    assert read_settings(str(repo), environ).durability == "none"


def test_the_users_file_may_lie_where_xdg_says(repo: Path, machine: Path):
    (machine / "xdg" / "mlcli").mkdir(parents=True)
    (machine / "xdg" / "mlcli" / "config.toml").write_text('experiment = "xdg"\n')
    assert read_settings(str(repo), {"XDG_CONFIG_HOME": f"{machine}/xdg"}).experiment == "xdg"


def test_without_a_home_the_defaults_hold(repo: Path, monkeypatch):
    monkeypatch.chdir("/")
    assert read_settings(str(repo), {}) == Settings()


@pytest.mark.parametrize(
    "text", ["", "[project]\nname = 'x'\n", "[tool.ruff]\nx = 1\n", "tool = 'mlcli'\n", "[tool]\nmlcli = 5 # tool.mlcli\n",
             "[tool.mlcli]\nlater = true\n"],
)  # fmt: skip
def test_a_project_file_that_sets_nothing_of_ours_changes_nothing(repo: Path, text: str):
    (repo / "pyproject.toml").write_text(text)
    assert read_settings(str(repo), {}) == Settings()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tool.mlcli]\nexperiment = 5\n", "experiment in .*pyproject.toml must be a text, not '5'"),
        ("[tool.mlcli]\ndurability = 'fast'\n", "durability in .*pyproject.toml is 'fast'"),
        ("[tool.mlcli\n", "pyproject.toml is not valid TOML: "),
        ("[tool.mlcli]\nexperiment = 'a' 'b'\n", "pyproject.toml is not valid TOML: "),
    ],
)
def test_a_setting_that_cannot_be_used_names_its_file(repo: Path, text: str, told: str):
    (repo / "pyproject.toml").write_text(text if "tool.mlcli" in text else "")
    with pytest.raises(InvalidSettings, match=told) as caught:
        read_settings(str(repo), {})
    assert caught.value.exit_code == 2


def test_a_setting_of_the_environment_that_cannot_be_used_names_its_variable(repo: Path):
    with pytest.raises(InvalidSettings, match="durability in MLCLI_DURABILITY is 'fast'") as caught:
        read_settings(str(repo), {"MLCLI_DURABILITY": "fast"})
    assert caught.value.hint == "use one of full, none"


def test_an_experiment_that_cannot_be_called_so_is_refused(repo: Path):
    with pytest.raises(InvalidName, match=r"'../x' cannot name an experiment"):
        read_settings(str(repo), {"MLCLI_EXPERIMENT": "../x"})


def test_a_project_file_that_is_no_text_is_told(repo: Path):
    (repo / "mlcli.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidSettings, match=r"mlcli.toml is not valid TOML"):
        read_settings(str(repo), {})


def test_an_empty_variable_sets_nothing(repo: Path):
    assert read_settings(str(repo), {"MLCLI_EXPERIMENT": ""}) == Settings()
