"""Params as the program's own parser understood them: what was given, and what is a default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlcli.observation.events import Parsed

ARGPARSE = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="?", default="d.csv")
    parser.add_argument("--n", type=int, default=5)
    parser.add_argument("--lr", type=float, default="0.1")
    parser.add_argument("--sizes", type=int, nargs="*", default=[1])
    parser.add_argument("--flag", action="store_true")
    parser.add_argument("--no-cache", dest="cache", action="store_false")
    parser.add_argument("-v", action="count", default=0)
    parser.add_argument("--token", default="")
    parser.add_argument("--missing", default=argparse.SUPPRESS)
    parser.set_defaults(func=lambda args: None, builtin=print)
    args = parser.parse_args()
"""
DEFAULTS = {"data": "d.csv", "n": 5, "lr": 0.1, "sizes": [1], "flag": False, "cache": True, "v": 0, "token": ""}


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ([], {}),
        (["--n", "5"], {"n": 5}),  # given, though equal to the default
        (["--n=7", "x.csv", "--flag"], {"n": 7, "data": "x.csv", "flag": True}),
        (["--sizes", "1", "2", "--no-cache", "-vv"], {"sizes": [1, 2], "cache": False, "v": 2}),
        (["--sizes"], {"sizes": []}),
        (["--lr", "nan"], {"lr": "NaN"}),
        (["--lr=-1e-3", "--missing", "m"], {"lr": -0.001, "missing": "m"}),
        (["--token", "hunter2hunter2"], {"token": "***"}),
    ],
)
def test_argparse(watched, arguments, values):
    done = watched(ARGPARSE, *arguments)
    [parsed] = done.told(Parsed)
    assert (done.code, parsed.src) == (0, "argparse")
    assert parsed.v == {**DEFAULTS, **values}
    assert set(parsed.given) == set(values)
    assert parsed.at == (os.path.abspath("program.py"), 14)
    assert "hunter2" not in repr(done.all())


def test_subcommands_are_params_and_their_options_too(watched):
    done = watched(
        """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--seed", type=int, default=0)
        commands = parser.add_subparsers(dest="command")
        train = commands.add_parser("train")
        train.add_argument("--depth", type=int, default=3)
        train.add_argument("--rate", type=float, default=0.5)
        parser.parse_known_args()
        """,
        *["--seed", "1", "train", "--depth", "3", "--unknown", "x"],
    )
    [parsed] = done.told(Parsed)
    assert parsed.v == {"seed": 1, "command": "train", "depth": 3, "rate": 0.5}
    assert sorted(parsed.given) == ["command", "depth", "seed"]


def test_a_parser_of_a_librarys_own_is_not_the_programs(watched):
    Path("lib/site-packages").mkdir(parents=True)
    Path("lib/site-packages/tool.py").write_text(
        "import argparse\nclass Parser(argparse.ArgumentParser):\n    def parse(self): return self.parse_args()\n"
        "def main():\n    p = argparse.ArgumentParser(); p.add_argument('--x'); return p.parse_known_args(['--x', '1'])\n"
    )
    done = watched(
        """
        import sys; sys.path.insert(0, "lib/site-packages")
        import tool
        tool.main()
        parser = tool.Parser(); parser.add_argument("--own"); parser.parse()
        """,
        *["--own", "1"],
    )
    assert [(parsed.v, parsed.given) for parsed in done.told(Parsed)] == [({"own": "1"}, ["own"])]


def test_what_does_not_parse_is_not_told(watched):
    done, bare = (watched(ARGPARSE, "--n", "x", bare=bare) for bare in (False, True))
    assert (done.code, done.err, done.told(Parsed)) == (2, bare.err, [])


def test_values_of_every_kind(watched):
    done = watched(
        """
        import argparse, enum, pathlib, datetime
        class Colour(enum.Enum):
            RED = "red"
        class Text(str, enum.Enum):
            A = "a"
        parser = argparse.ArgumentParser()
        values = dict(path=pathlib.Path("a/b"), colour=Colour.RED, text=Text.A, day=datetime.date(2024, 1, 2), big=10**30,
                      many={"a": (1, 2), "b": {3}}, raw=b"x\\xff", kind=dict, nothing=None, inf=float("inf"),
                      long="x" * 9000, opened=open(__file__))
        class Bad:
            def __repr__(self): raise ValueError
        parser.set_defaults(bad=Bad(), **values)
        parser.parse_args()
        """
    )
    assert (done.code, done.err) == (0, "")
    [parsed] = done.told(Parsed)
    assert {**parsed.v, "long": len(parsed.v["long"])} == {
        "path": "a/b", "colour": "red", "text": "a", "day": "2024-01-02", "big": str(10**30), "many": {"a": [1, 2], "b": [3]},
        "raw": "x\\xff", "kind": "builtins.dict", "nothing": None, "inf": "Infinity", "long": 5003, "bad": "<Bad>",
        "opened": os.path.abspath("program.py") if os.path.isabs(parsed.v["opened"]) else "program.py",
    }  # fmt: skip


def test_click(watched):
    pytest.importorskip("click")
    done = watched(
        """
        import click
        @click.group()
        @click.option("--verbose/--quiet", default=False)
        def cli(verbose): pass
        @cli.command()
        @click.option("--n", default=3)
        @click.option("--rate", default=0.5, envvar="RATE")
        @click.option("--password", default="hunter2hunter2", hide_input=True)
        @click.option("--code", default="hunter2hunter2", hide_input=True)
        @click.argument("path", type=click.Path())
        def train(n, rate, password, code, path): pass
        cli()
        """,
        *["train", "--n", "3", "x"],
        environ={"RATE": "0.7"},
    )
    assert (done.code, done.err) == (0, "")
    group, command = done.told(Parsed)
    assert (group.v, group.given) == ({"verbose": False}, [])
    assert command.v == {"n": 3, "rate": 0.7, "password": "***", "code": "***", "path": "x"}
    assert (command.src, sorted(command.given)) == ("click", ["n", "path", "rate"])
    assert "hunter2" not in repr(done.all())


def test_typer(watched):
    done = watched(
        """
        import enum, pathlib, typer
        class Kind(str, enum.Enum):
            a = "a"
        def main(data: pathlib.Path, n: int = 3, kind: Kind = Kind.a): pass
        typer.run(main)
        """,
        *["d.csv", "--n", "3"],
    )
    assert (done.code, done.err) == (0, "")
    [parsed] = done.told(Parsed)
    assert parsed.v == {"data": "d.csv", "n": 3, "kind": "a"}
    assert (parsed.src, sorted(parsed.given)) == ("typer", ["data", "n"])


def test_hydra(watched):
    pytest.importorskip("hydra")
    Path("conf").mkdir()
    Path("conf/config.yaml").write_text(
        "lr: 0.1\nmodel:\n  depth: 3\n  rate: ${lr}\nhome: ${oc.env:HOME}\npassword: hunter2hunter2\n"
    )
    done = watched(
        """
        import hydra
        @hydra.main(version_base=None, config_path="conf", config_name="config")
        def main(cfg): print(cfg.lr)
        main()
        """,
        *["lr=0.2", "+extra=1"],
    )
    assert (done.code, done.out, done.err) == (0, "0.2\n", "")
    [parsed] = done.told(Parsed)
    assert parsed.v == {
        "lr": 0.2, "model": {"depth": 3, "rate": 0.2}, "home": "${oc.env:HOME}", "password": "***", "extra": 1,
    }  # fmt: skip
    assert (parsed.src, parsed.given) == ("hydra", ["lr", "extra"])
