"""What the training functions of xgboost and lightgbm fit, and the history of each round."""

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core, patching

MOST_STEPS = 1_000_000


def patch(module):
    """Watch train() and cv() of a module."""
    # The history is given only where a dict, or what fills one, was passed: where not, one of ours is.
    train = _with_xgboost_history if module.__name__.startswith("xgboost") else _with_lightgbm_history
    for name, prepare in (("train", train), ("cv", None)):
        original = getattr(module, name, None)
        if original is not None:
            setattr(module, name, _watched_training(module, original, prepare))


def _watched_training(module, original, prepare):
    def train(*args, **named):
        frame = sys._getframe(1)
        if not core.users(frame.f_code) or core.too_often(frame):
            return original(*args, **named)
        history = core.quietly("train", prepare, module, args, named) if prepare else None
        begun = time.perf_counter()
        result = original(*args, **named)
        core.quietly("train", _trained, result, args, named, frame, time.perf_counter() - begun, history)
        return result

    return patching.like(train, original)


def _with_xgboost_history(_module, args, named):
    if "evals_result" not in named and len(args) <= 3 and named.get("evals"):
        named["evals_result"] = {}
    return named.get("evals_result")


def _with_lightgbm_history(module, args, named):
    callbacks = named.get("callbacks")
    for each in callbacks or ():
        if hasattr(each, "eval_result"):
            return each.eval_result
    if len(args) > 8 or not (named.get("valid_sets") or len(args) > 3):
        return None
    history = {}
    named["callbacks"] = [*(callbacks or ()), module.callback.record_evaluation(history)]
    return history


def _trained(result, args, named, frame, seconds, history):
    if type(result).__name__ == "Booster":
        core.part("learning").remember(result)
        if "models" in core.WATCHED:
            params = dict(named.get("params", args[0] if args else None) or {})
            rounds = named.get("num_boost_round", args[2] if len(args) > 2 else None)
            if rounds is not None:
                params["num_boost_round"] = rounds
            core.part("learning").tell_fit(result, params, frame, seconds, _data_shape(args, named))
    elif isinstance(result, dict) or hasattr(result, "to_dict"):
        history = result if isinstance(result, dict) else result.to_dict("list")
    if history and "metrics" in core.WATCHED:
        tell_history(history, frame, result)


def _data_shape(args, named):
    data = named.get("dtrain", named.get("train_set", args[1] if len(args) > 1 else None))
    for rows, columns in (("num_row", "num_col"), ("num_data", "num_feature")):
        if hasattr(data, rows):
            return [int(getattr(data, rows)()), int(getattr(data, columns)())]
    return []


def tell_history(history, frame, model):
    """Tell the values of each round: {"validation_0": {"logloss": [..]}}, or flat, as cross-validation's."""
    finite = core.part("stream").finite
    flat = {}
    for name, value in history.items():
        for inner, values in value.items() if isinstance(value, dict) else [(None, value)]:
            if isinstance(values, (list, tuple)) and len(values) <= MOST_STEPS:
                key = name if inner is None else "%s-%s" % (name, inner)
                flat[str(key)] = [finite(each) for each in _values(values)]
    if flat:
        kind = core.class_name(type(model))
        core.tell("metric", k="evals_result", v=flat, cls=kind, oid=id(model), steps=True, at=core.place(frame))


def _values(values):
    """The numbers of a history; of a pair, as xgboost's cross-validation gives, the mean."""
    return [float(each[0] if isinstance(each, (list, tuple)) else each) for each in values]
