"""The params that a program was given, told by what parsed them: argparse, click (typer's too), Hydra."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core, patching

HIGHEST = 8  # so many frames up the user's call is looked for, where a library's parser stands between
_PLAIN_CALLS = ("parse_args", "parse_known_args", "parse_intermixed_args", "parse_known_intermixed_args")
_parsing = []  # for each parse_known_args in progress, the names that the command line gave


def patch(module):
    """Watch the parser that a module defines."""
    if module.__name__ == "argparse":
        _patch_argparse(module)
    elif module.__name__.startswith("hydra."):
        patching.wrap(module, "run_job", before=_hydra_job, users_only=False)
    else:
        patching.wrap(module.Command, "invoke", before=_click_command, users_only=False)


# argparse


def _patch_argparse(argparse):
    kind = argparse.ArgumentParser
    for name in ("parse_known_args", "parse_known_intermixed_args"):
        setattr(kind, name, _watched(argparse, getattr(kind, name)))
    original = kind._get_values

    def _get_values(self, action, texts):
        # It is asked for each option that appears, and for each positional, with no text where it is left out.
        if _parsing and (action.option_strings or [text for text in texts if text != "--"]):
            _parsing[-1].add(action.dest)
        return original(self, action, texts)

    kind._get_values = patching.like(_get_values, original)


def _watched(argparse, original):
    def parse(self, args=None, namespace=None, *rest, **named):
        outermost = not _parsing
        if outermost:
            _parsing.append(set())
        try:
            result = original(self, args, namespace, *rest, **named)
        finally:
            given = _parsing.pop() if outermost else ()
        if outermost:
            core.quietly("argparse", _tell_namespace, argparse, self, result[0], given, sys._getframe(1))
        return result

    return patching.like(parse, original)


def _tell_namespace(argparse, parser, namespace, given, frame):
    frame = _caller(frame, plain=type(parser).__module__ == "argparse")
    if frame is None:
        return
    values = {name: value for name, value in vars(namespace).items() if _is_param(value) and value != argparse.SUPPRESS}
    names = [name for name in values if name in given]
    core.tell("params", src="argparse", v=core.shown_map(values), given=names, at=core.place(frame))


def _caller(frame, plain):
    """The project's code that asked for parsing; None where that was a library for itself."""
    for _ in range(HIGHEST):
        if frame is None or core.users(frame.f_code):
            return frame
        if plain and not (frame.f_code.co_name in _PLAIN_CALLS and frame.f_globals.get("__name__") == "argparse"):
            return None
        frame = frame.f_back
    return None


def _is_param(value):
    """A function is no param: programs put the one to call among them."""
    return isinstance(value, type) or not callable(value)


# click


def _click_command(args, _named, _frame):
    command, context = args[0], args[1]
    code = _code(getattr(command, "callback", None))
    if not context.params or code is None or not core.users(code):
        return
    hidden = {each.name for each in command.params if getattr(each, "hide_input", False)}
    values = {name: value for name, value in context.params.items() if _is_param(value)}
    told = core.shown_map(values)
    for name in hidden.intersection(told):
        told[name] = core.part("secrets").MASK
    given = [name for name in told if _click_given(context, name)]
    core.tell("params", src=_click_name(command), v=told, given=given, at=core.code_place(code))


def _click_name(command):
    """Which of the two it is: typer's commands are its own."""
    return "typer" if any(kind.__module__.startswith("typer.") for kind in type(command).__mro__) else "click"


def _click_given(context, name):
    if not hasattr(context, "get_parameter_source"):  # before click 8
        return False
    source = getattr(context.get_parameter_source(name), "name", "")
    return source in ("COMMANDLINE", "ENVIRONMENT", "PROMPT")


def _code(function):
    """The code of the function that decorators were put around."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return getattr(function, "__code__", None)


# Hydra


def _hydra_job(args, named, _frame):
    config = named.get("config", args[1] if len(args) > 1 else None)
    omegaconf = sys.modules["omegaconf"].OmegaConf
    values = omegaconf.to_container(config, resolve=False)
    hydra = values.pop("hydra", None) or {}
    for name in values:
        text = repr(values[name])
        # Resolvers are the user's own code: only references within the configuration are followed.
        if "${" in text and not _asks_resolvers(text):
            values[name] = _resolved(omegaconf, config, name, values[name])
    overrides = (hydra.get("overrides") or {}).get("task") or []
    given = [str(each).lstrip("+~").partition("=")[0] for each in overrides]
    core.tell("params", src="hydra", v=core.shown_map(values), given=given)


def _resolved(omegaconf, config, name, otherwise):
    try:
        value = config[name]
        return omegaconf.to_container(value, resolve=True) if omegaconf.is_config(value) else value
    except Exception:  # an interpolation that leads nowhere: the program will say so when it asks
        return otherwise


def _asks_resolvers(text):
    return any(":" in each.partition("}")[0] for each in text.split("${")[1:])
