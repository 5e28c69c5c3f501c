"""The params that nobody logged: of parsers, of configuration, of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlcli.domain.run import Param, ParamSource
from mlcli.observation.events import Parsed
from mlcli.observation.params import found, is_config


def parsed(v: dict[str, Any], *given: str, src: str = "argparse") -> Parsed:
    return Parsed(t=1.0, src=src, v=v, given=list(given))


def brief(params: dict[str, Param]) -> dict[str, tuple[Any, str]]:
    return {key: (each.value, each.source.value) for key, each in params.items()}


def configured(*files: tuple[str, str]) -> dict[str, Any]:
    for name, content in files:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)
    return {key: each.value for key, each in found([], [(name, name) for name, _ in files], {}).items()}


GUESSED = {"lr": Param(0.5, ParamSource.COMMAND_LINE), "flag": Param(True, ParamSource.COMMAND_LINE)}


def test_a_parser_tells_what_was_given_and_what_is_a_default():
    params = found([parsed({"lr": 0.1, "layers": [1, 2], "opt": {"name": "sgd"}}, "lr")], [], {})
    assert params == {
        "lr": Param(0.1, ParamSource.GIVEN, "argparse"),
        "layers": Param([1, 2], ParamSource.DEFAULT, "argparse"),
        "opt": Param({"name": "sgd"}, ParamSource.DEFAULT, "argparse"),
    }


def test_of_hydra_each_leaf_has_the_name_of_the_command_line():
    params = found([parsed({"model": {"trees": 20, "name": "forest"}, "seed": 3}, "model.trees", src="hydra")], [], {})
    assert brief(params) == {
        "model.trees": (20, "given"), "model.name": ("forest", "default"), "seed": (3, "default"),
    }  # fmt: skip
    assert brief(found([parsed({"model": {"trees": 20}}, "model", src="hydra")], [], {})) == {
        "model.trees": (20, "given")
    }


def test_guesses_stand_only_where_no_parser_told():
    assert brief(found([], [], GUESSED)) == {"lr": (0.5, "command line"), "flag": (True, "command line")}
    assert brief(found([parsed({"rate": 0.5}, "rate")], [], GUESSED)) == {"rate": (0.5, "given")}


def test_a_parser_wins_over_configuration_and_that_over_a_guess():
    Path("params.yaml").write_text("lr: 0.3\nepochs: 5\n")
    configs = [("params.yaml", "params.yaml")]
    assert brief(found([], configs, GUESSED)) == {
        "lr": (0.3, "config file"), "epochs": (5, "config file"), "flag": (True, "command line"),
    }  # fmt: skip
    assert brief(found([parsed({"lr": 0.1})], configs, GUESSED)) == {
        "lr": (0.1, "default"),
        "epochs": (5, "config file"),
    }


def test_configuration_that_hydra_read_is_in_what_hydra_told():
    Path("config.yaml").write_text("defaults: [model]\ntrees: 5\n")
    assert list(found([parsed({"trees": 5}, src="hydra")], [("config.yaml", "config.yaml")], {})) == ["trees"]


def test_of_several_processes_the_first_counts_unless_a_later_one_was_given_it():
    first, second = (
        parsed({"lr": 0.1, "seed": 0, "out": "a"}, "out"),
        parsed({"lr": 0.2, "seed": 0, "out": "b"}, "lr", "out"),
    )
    assert brief(found([first, second], [], {})) == {
        "lr": (0.2, "given"), "seed": (0, "default"), "out": ("a", "given"),
    }  # fmt: skip


def test_configuration_of_each_format():
    nested = {"train": {"lr": 0.1, "layers": [1, 2]}, "seed": 3}
    right = {"train.lr": 0.1, "train.layers": [1, 2], "seed": 3}
    assert configured(("params.json", json.dumps(nested))) == right
    assert configured(("params.yaml", json.dumps(nested))) == right
    assert configured(("params.toml", "seed = 3\n[train]\nlr = 0.1\nlayers = [1, 2]\n")) == right
    assert configured(("params.ini", "[train]\nlr = 0.1\nname = 50%\n")) == {"train.lr": "0.1", "train.name": "50%"}


def test_where_it_comes_from_is_named():
    Path("conf").mkdir()
    Path("conf/params.toml").write_text("lr = 0.1")
    assert found([], [("conf/params.toml", str(Path("conf/params.toml").resolve()))], {}) == {
        "lr": Param(0.1, ParamSource.CONFIG, "config conf/params.toml")
    }


def test_two_files_that_say_something_else_of_one_key():
    assert configured(("a.json", '{"lr": 1, "seed": 0}'), ("conf/b.json", '{"lr": 2, "seed": 0}')) == {
        "lr": 1, "seed": 0, "b.lr": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "[1, 2]"), ("a.json", "3"), ("a.json", "{"), ("a.json", ""), ("a.yaml", "- 1\n- 2"), ("a.yaml", "a: [1"),
        ("a.yaml", "text"), ("a.toml", "= 1"), ("a.json", json.dumps({f"k{at}": at for at in range(401)})),
        ("a.json", json.dumps({"rows": [[0] * 30] * 5})), ("a.json", json.dumps({"x": list(range(101))})), ("a.txt", "a: 1"),
        ("a.json", json.dumps({"a": "x" * 70_000})), ("a.yaml", "!!python/object/apply:os.system ['touch executed']"),
        ("a.json", '{"a":' * 5000 + "1" + "}" * 5000), ("a.ini", "no section"), ("a.yaml", "\x00"), ("a.json", '{"a=b": 1, "": 2}'),
    ],
)  # fmt: skip
def test_what_holds_data_or_nothing_gives_no_params(name: str, content: str):
    assert configured((name, content)) == {}
    assert not Path("executed").exists()


def test_four_hundred_are_still_settings():
    assert len(configured(("a.json", json.dumps({f"k{at}": at for at in range(400)})))) == 400


def test_references_to_references_are_not_followed():
    levels = "\n".join(f"l{at}: &l{at} [{', '.join([f'*l{at - 1}'] * 9)}]" for at in range(1, 12))
    assert configured(("bomb.yaml", f"l0: &l0 [lol, lol]\n{levels}\n")) == {}
    assert configured(("shared.yaml", "base: &base {lr: 1}\nother: *base\n")) == {"base.lr": 1, "other.lr": 1}


def test_a_file_that_is_gone_or_no_text():
    Path("binary.json").write_bytes(bytes(range(256)))
    Path("directory.yaml").mkdir()
    assert found([], [(name, name) for name in ("binary.json", "gone.toml", "directory.yaml")], {}) == {}


def test_secrets_are_masked():
    told = parsed({"password": "hunter2", "db": {"token": "x" * 30}, "url": "https://me:pass@host/x", "lr": 0.1})
    assert {key: each.value for key, each in found([told], [], {}).items()} == {
        "password": "***", "db": {"token": "***"}, "url": "https://***@host/x", "lr": 0.1,
    }  # fmt: skip
    assert configured(("conf.json", '{"api": {"api_key": "abc", "lr": 1}}')) == {"api.api_key": "***", "api.lr": 1}


def test_values_that_no_document_could_hold_are_cut_and_keys_left_out():
    told = parsed(
        {"text": "x" * 9000, "many": list(range(2000)), "lone": "a\ud800", "": 1, "a=b": 2, "k" * 300: 3, "big": 2**70}
    )
    params = found([told], [], {})
    assert set(params) == {"text", "many", "lone", "big"}
    assert params["text"].value.endswith("… (9000 characters)")
    assert (len(params["many"].value), params["many"].value[-1]) == (1001, "… and 1000 more")
    assert (params["lone"].value, params["big"].value) == ("a\\ud800", str(2**70))
    json.dumps({key: each.value for key, each in params.items()}).encode()


def test_which_files_can_be_configuration():
    assert [is_config(name) for name in ("a.json", "A.YAML", "b.yml", "c.toml", "d.ini", "e.csv", "f")] == [
        True
    ] * 5 + [False] * 2
