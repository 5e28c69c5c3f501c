"""The app: its table of commands, each imported when it is called, and the boundary where errors become words."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from . import output
from .failures import code_of

if TYPE_CHECKING:
    from ..workspace import Workspace

# Rich draws help in 165 ms where plain text takes 76: it is asked only where somebody looks.
MARKUP: Literal["rich"] | None = "rich" if sys.stdout.isatty() and sys.stderr.isatty() else None
CONTEXT = {"help_option_names": ["-h", "--help"]}
UsageFault: type[Exception] = typer.BadParameter.__mro__[1]  # what every misuse is; typer gives it no public name


class Entry(NamedTuple):
    """A command: the module that holds it, its one-line help, and the panel it is listed in."""

    module: str
    help: str
    panel: str


COMMANDS = {
    "run": Entry("run", "Run a command and record it.", "Track"),
    "log": Entry("log", "Log to the run you are in, from any language.", "Track"),
    "ls": Entry("ls", "List runs.", "Look"),
    "show": Entry("show", "Show a run, or a model version.", "Look"),
    "compare": Entry("compare", "Set runs side by side.", "Look"),
    "diff": Entry("diff", "Tell what differs between two runs, versions or commits.", "Look"),
    "why": Entry("why", "Explain what changed a metric from one run to another.", "Look"),
    "tag": Entry("tag", "Set or remove tags of a run or a model version.", "Keep"),
    "note": Entry("note", "Write a note on a run or a model version.", "Keep"),
    "rm": Entry("rm", "Move runs and versions to the trash.", "Keep"),
    "restore": Entry("restore", "Bring runs and versions back from the trash.", "Keep"),
    "gc": Entry("gc", "Empty the trash, and drop content that nothing cites.", "Keep"),
    "scrub": Entry("scrub", "Take a value, as a secret, out of all that is kept of a run.", "Keep"),
    "register": Entry("register", "Register a run's model as the next version of a name.", "Models"),
    "promote": Entry("promote", "Move a model version to a stage.", "Models"),
    "rollback": Entry("rollback", "Bring back the version that stood in a stage before.", "Models"),
    "alias": Entry("alias", "Let a name of your own name a model version.", "Models"),
    "unalias": Entry("unalias", "Take an alias away.", "Models"),
    "approve": Entry("approve", "Approve a model version.", "Models"),
    "unapprove": Entry("unapprove", "Take your approval of a model version back.", "Models"),
    "models": Entry("models", "List registered models and what stands in each stage.", "Models"),
    "history": Entry("history", "Tell who did what to a model's versions, when and why.", "Models"),
    "lineage": Entry("lineage", "Tell what a thing came from, and what came of it.", "Trust"),
    "checkout": Entry("checkout", "Put the exact source of a run into a directory of its own.", "Trust"),
    "reproduce": Entry("reproduce", "Make a run again, and say whether it came out the same.", "Trust"),
    "bisect": Entry("bisect", "Find the commit that made a metric worse.", "Trust"),
    "card": Entry("card", "Write a model card, as Hugging Face reads it.", "Trust"),
    "check": Entry("check", "Verify that every version leads to its run, commit and files.", "Trust"),
    "report": Entry("report", "Tell what stands in Production, and from what it was made.", "Trust"),
    "check-files": Entry("check_files", "Refuse model files that no version knows, and large ones.", "Trust"),
    "doctor": Entry("doctor", "Examine the store and what it stands on.", "Trust"),
    "init": Entry("init", "Make the store now, with hooks or CI lines if asked.", "Set up"),
}

# What git calls, not people: neither listed nor offered.
HIDDEN = {"merge-driver": Entry("merge_driver", "Merge two sides of a document of the registry, for git.", "Set up")}


class _Commands(MutableMapping[str, Any]):
    """{name: command}; the module is imported on first look-up, and not at all to list names and helps."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.only_names = False

    def __getitem__(self, name: str) -> Any:
        if name in self.made:
            return self.made[name]
        entry = COMMANDS.get(name) or HIDDEN[name]
        if self.only_names:
            return TyperCommand(name, help=entry.help, rich_help_panel=entry.panel)
        self.made[name] = _built(name, entry)
        return self.made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self.made[name] = command

    def __delitem__(self, name: str) -> None:
        del self.made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _built(name: str, entry: Entry) -> Any:
    module = import_module(f".{entry.module}", __package__)
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False, rich_markup_mode=MARKUP, pretty_exceptions_enable=False)
        context = {**CONTEXT, **getattr(module, "CONTEXT", {})}
        app.command(name, context_settings=context)(module.command)
    command = typer.main.get_command(app)
    command.name = name
    return command


class LazyGroup(TyperGroup):
    """The commands, imported one at a time, behind the boundary where an expected error becomes a line and a code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        """The names in the order they are meant to be read."""
        return list(COMMANDS)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the global options."""
        with boundary():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Read the command's options and call it."""
        with boundary():
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing them."""
        with self._names_only():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Offer the commands without importing them."""
        with self._names_only():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _names_only(self) -> Iterator[None]:
        commands = self.commands
        if not isinstance(commands, _Commands):
            raise TypeError("the commands are a lazy table")
        commands.only_names = True
        try:
            yield
        finally:
            commands.only_names = False


@contextmanager
def boundary() -> Iterator[None]:
    """Three endings told apart: an expected error (its line, its hint, its code), an interrupt, a bug."""
    try:
        yield
    except UsageFault as fault:
        if type(fault).__name__ == "NoArgsIsHelpError":
            raise
        output.usage_error(fault)
        raise typer.Exit(2) from None
    except (typer.Exit, typer.Abort, SystemExit):
        raise
    except BaseException as error:
        raise typer.Exit(code_of(error)) from None


app = typer.Typer(
    cls=LazyGroup,
    name="mlcli",
    help="Know which code, data, command and numbers made the model in production.",
    epilog="A ref names one thing: 3f9a, @, best:accuracy, iris@3, iris@production, models:/iris/3, a file, a commit.",
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)


def _close_vanished(workspace: Workspace) -> None:
    from ..watching.closing import close_vanished

    close_vanished(workspace)


def _version(asked: bool) -> None:
    if asked:
        from .. import __version__

        output.out(f"mlcli {__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    color: Annotated[
        output.When | None, typer.Option(help="Colour: auto, always or never; before NO_COLOR and FORCE_COLOR.")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", metavar="DIR", help="Another store than this project's .mlruns.")
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="MLCLI_DEBUG", help="Show a traceback for any error.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    from ..workspace import before_reading

    output.state.color = color.value if color else None
    output.state.debug = debug
    before_reading[:] = [_close_vanished]
    if store:
        os.environ["MLCLI_STORE"] = store  # so that a wrapped command finds it, too
