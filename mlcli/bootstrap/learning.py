"""What the project's own code fits and measures with the libraries of learning; what these do inside is not told.

No class of the user's is touched: one that is pickled by value would carry what is ours along.
"""

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core, patching

FITS = ("fit", "fit_transform", "fit_predict", "partial_fit")
ASKING = (*FITS, "wrapped")  # methods that fit by another one
METRIC_ENDS = ("_score", "_error", "_loss", "_distance", "_coefficient", "_deviance", "_ratios", "_ratio", "_support")
METRICS = ("auc", "confusion_matrix", "classification_report", "homogeneity_completeness_v_measure", "max_error")
FEW = 64

fits = {}  # by id(): the model as long as it lives, and the id() under which its fit was told


def patch(module):
    """Watch what a module of a library fits or measures with."""
    name = module.__name__
    fits_told, metrics_told = "models" in core.WATCHED or "metrics" in core.WATCHED, "metrics" in core.WATCHED
    if name == "sklearn.base":
        _patch_fit_context(module)
    elif fits_told and name in ("xgboost.sklearn", "lightgbm.sklearn", "catboost.core"):
        _patch_fits(module)
    if metrics_told:
        _patch_metrics(module)


def _patch_metrics(module):
    name = module.__name__
    if name == "sklearn.base":
        for mixin in ("ClassifierMixin", "RegressorMixin"):
            patching.wrap(getattr(module, mixin), "score", after=_scored)
    elif name == "sklearn.pipeline":
        score = module.Pipeline.__dict__.get("score")  # a descriptor that holds the function
        if hasattr(score, "fn"):
            patching.wrap(score, "fn", after=_scored)
    elif name == "sklearn.model_selection._search":
        patching.wrap(module.BaseSearchCV, "score", after=_scored)
    elif name == "sklearn.model_selection._validation":
        for function in ("cross_val_score", "cross_validate"):
            patching.wrap(module, function, after=_measured(function))
    elif name.startswith("sklearn.metrics."):
        for function, found in list(vars(module).items()):
            if _is_metric(function) and getattr(found, "__module__", "") == name:
                patching.wrap(module, function, after=_measured(function))


def _is_metric(name):
    return name[0] != "_" and (name.endswith(METRIC_ENDS) or name in METRICS)


# Fits


def _patch_fit_context(base):
    """Every fit of scikit-learn is decorated by one function as its class is made."""
    original = getattr(base, "_fit_context", None)
    if original is None:  # before 1.3
        return

    def _fit_context(*args, **named):
        decorate = original(*args, **named)

        def decorator(fit):
            decorated = decorate(fit)
            if fit.__name__ not in FITS or core.users(fit.__code__):
                return decorated
            return _watched_fit(decorated)

        return decorator

    base._fit_context = patching.like(_fit_context, original)


def _patch_fits(module):
    for found in list(vars(module).values()):
        if isinstance(found, type) and found.__module__ == module.__name__ and callable(found.__dict__.get("fit")):
            found.fit = _watched_fit(found.__dict__["fit"])


def _watched_fit(original):
    get_frame, clock = sys._getframe, time.perf_counter

    def fit(*args, **named):
        frame = get_frame(1)
        if not core.users(frame.f_code):
            frame = _asking(frame, args)
        if frame is None:
            return original(*args, **named)
        if core.too_often(frame):
            result = original(*args, **named)
            core.quietly("fit", remember, args[0])
            return result
        begun = clock()
        result = original(*args, **named)
        core.quietly("fit", _fitted, args, named, frame, clock() - begun)
        return result

    return patching.like(fit, original)


def _asking(frame, args):
    """The project's code that asked a model to be fitted, by another of the model's own methods; None for others."""
    while frame.f_code.co_name in ASKING and args and frame.f_locals.get("self") is args[0]:
        frame = frame.f_back
        if frame is None or core.users(frame.f_code):
            return frame
    return None


def _fitted(args, named, frame, seconds):
    model = args[0]
    remember(model)
    if "models" in core.WATCHED:
        data = args[1] if len(args) > 1 else named.get("X")
        tell_fit(model, _params_set(model), frame, seconds, _shape(data), _nested(model))
    history = getattr(model, "evals_result_", None) or getattr(model, "_evals_result", None)
    if history and "metrics" in core.WATCHED:
        core.part("boosting").tell_history(history, frame, model)


def tell_fit(model, params, frame, seconds, shape, nested=None):
    """Tell that a model was fitted."""
    best, score = _best(model)
    core.tell(
        "fit",
        cls=core.class_name(type(model)),
        oid=id(model),
        set=core.shown_map(params),
        sub=core.shown_map(nested or {}),
        dt=seconds,
        shape=shape,
        at=core.place(frame),
        best=best,
        best_score=score,
    )


def remember(model):
    """Know a model as fitted here, as well as what it wraps, which can be saved by itself."""
    own = id(model)
    for each in (model, getattr(model, "_Booster", None), _asked(model, "best_estimator_")):
        if each is not None:
            fits[id(each)] = (_reference(each), own)


def _reference(model):
    from _weakref import ref

    try:
        return ref(model)
    except TypeError:
        return lambda: model


def fit_of(model):
    """The id() under which the fit of a model was told; None where it was not fitted here."""
    reference, told = fits.get(id(model), (None, None))
    return told if reference is not None and reference() is model else None


def _params_set(model):
    """The params of a model that are not its defaults."""
    defaults = _defaults(type(model))
    return {
        name: value for name, value in model.get_params(deep=False).items() if not _is_default(name, value, defaults)
    }


def _defaults(kind):
    """The defaults of a class's params, where it passes some on to those that it is derived from, theirs too."""
    defaults = {}
    for each in reversed(kind.__mro__):
        if "__init__" in each.__dict__:
            defaults.update(_own_defaults(each.__dict__["__init__"]))
    return defaults


def _own_defaults(init):
    while hasattr(init, "__wrapped__"):
        init = init.__wrapped__
    code = getattr(init, "__code__", None)
    if code is None:
        return {}
    positional = code.co_varnames[: code.co_argcount]
    values = init.__defaults__ or ()
    defaults = dict(zip(positional[len(positional) - len(values) :], values))
    defaults.update(init.__kwdefaults__ or {})
    return defaults


def _is_default(name, value, defaults):
    if name not in defaults:
        return value is None  # as of **kwargs
    default = defaults[name]
    if value is default or (value != value and default != default):
        return True
    return type(value) is type(default) and type(value) in (int, float, str, bool, tuple) and value == default


def _nested(model):
    """The plain params of what a model is made of."""
    try:
        params = model.get_params(deep=True)
    except Exception:  # a foreign estimator's own code: its own params are told all the same
        return {}
    plain = (int, float, str, bool, type(None))
    return {name: value for name, value in params.items() if "__" in name and isinstance(value, plain)}


def _best(model):
    """Of a search its best params and score; of boosting that stopped early the round."""
    score = None
    best = getattr(model, "best_params_", None)
    if best is not None:
        score = getattr(model, "best_score_", None)
    elif _asked(model, "best_iteration") and type(model).__module__.startswith(("xgboost", "lightgbm")):
        best, score = {"iteration": _asked(model, "best_iteration")}, _asked(model, "best_score")
    score = _number(score)
    return core.shown_map(best) if isinstance(best, dict) else None, score


def _asked(model, name):
    """An attribute that a library may refuse."""
    try:
        return getattr(model, name, None)
    except Exception:  # as of a property of what was not fitted
        return None


def _number(value):
    """A float, None where it is none or not finite."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number - number == 0 else None


def _shape(data):
    shape = getattr(data, "shape", None)
    if shape is None and isinstance(data, (list, tuple)):
        return [len(data)]
    return [int(each) for each in shape or () if isinstance(each, int)]


# Metrics


def _scored(result, args, named, frame):
    if not core.too_often(frame):
        value = core.part("stream").plain(result)
        model = args[0]
        cls = core.class_name(type(model))
        core.tell("metric", k="score", v=value, cls=cls, oid=id(model), at=core.place(frame))


def _measured(name):
    def after(result, args, _named, frame):
        if name == "cross_validate":
            result = _numbers(result)
        if isinstance(result, str) or not _is_short(result) or core.too_often(frame):
            return
        told = {"k": name, "v": core.part("stream").plain(result), "at": core.place(frame)}
        if name.startswith("cross_val") and args:
            told["cls"] = core.class_name(type(args[0]))
        core.tell("metric", **told)

    return after


def _is_short(result):
    """Whether it is a number or few: a curve is no metric."""
    parts = result if isinstance(result, tuple) else (result,)
    return all(getattr(each, "size", 1) <= FEW for each in parts)


def _numbers(result):
    """Of cross-validation what is numbers: the rest are models and indices."""
    return {name: each for name, each in result.items() if hasattr(each, "dtype") and each.dtype.kind in "fiu"}
