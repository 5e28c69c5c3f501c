"""How functions of others are replaced, so that the program sees no difference."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core


def like(ours, original):
    """`ours` with the name, words and attributes of the function that it stands for."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        try:
            setattr(ours, name, getattr(original, name))
        except (AttributeError, TypeError):
            pass
    if hasattr(original, "__dict__"):
        ours.__dict__.update(original.__dict__)
    ours.__wrapped__ = original
    return ours


class Function:
    """Stands for a function of os. An object, as a function would become a method as the attribute of a class."""

    def __init__(self, original, module, before, after):
        self.__name__ = self.__qualname__ = original.__name__
        self.__module__ = module
        self.__doc__ = original.__doc__
        self.__wrapped__ = original
        self._before, self._after = before, after

    def __call__(self, *args, **named):
        if self._before is not None:
            core.quietly(self.__name__, self._before, *args, **named)
        result = self.__wrapped__(*args, **named)
        if self._after is not None:
            core.quietly(self.__name__, self._after, result, *args, **named)
        return result

    def __repr__(self):
        return repr(self.__wrapped__)

    def __reduce__(self):
        return self.__name__


def replace(module, name, before=None, after=None):
    """Replace a function of os, so that before(...) and after(result, ...) are told of its calls.

    They take its arguments by its own names. It stays in the sets of what can be done with it.
    """
    original = getattr(module, name)
    ours = Function(original, module.__name__, before, after)
    for can in ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids"):
        if original in getattr(module, can, ()):
            getattr(module, can).add(ours)
    setattr(module, name, ours)


def wrap(owner, name, before=None, after=None, users_only=True):
    """Replace `owner.name`, so that before(args, named, frame) or after(result, args, named, frame) is told of a call.

    Their errors are trouble of ours. With `users_only`, calls from other code than the project's are passed on.
    """
    original = owner.__dict__.get(name) if isinstance(owner, type) else getattr(owner, name, None)
    if original is None or not callable(original):
        return
    get_frame = sys._getframe

    def call(*args, **named):
        frame = get_frame(1)
        told = not users_only or core.users(frame.f_code)
        if told and before is not None:
            core.quietly(name, before, args, named, frame)
        result = original(*args, **named)
        if told and after is not None:
            core.quietly(name, after, result, args, named, frame)
        return result

    ours = like(call, original)
    if not isinstance(owner, type) and hasattr(owner, "__name__"):
        ours.__module__ = owner.__name__  # where pickle finds it
    setattr(owner, name, ours)
