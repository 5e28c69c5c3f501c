"""Which classes a pickle names, read from its opcodes: nothing in it is executed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

MAX_OPCODES = 6000
_AFTER = 100  # opcodes that are still read once the model is known
_LIBRARIES = (
    "sklearn", "xgboost", "lightgbm", "catboost", "imblearn", "torch.nn", "keras", "tensorflow", "statsmodels",
    "prophet", "pmdarima", "gensim", "surprise", "pyod", "hmmlearn", "sktime", "river", "ngboost", "cuml", "fastai",
    "transformers", "spacy", "pytorch_lightning", "lightning", "sklearn_crfsuite", "implicit", "lightfm", "skorch",
    "mapie", "interpret", "autogluon", "flaml", "tpot", "sksurv", "lifelines", "econml", "causalml", "mord", "pygam",
    "hdbscan", "umap",
)  # fmt: skip
# What prepares data for a model, and what a model is made of.
_NO_MODELS = re.compile(
    r"(?:sklearn\.(?:preprocessing|feature_extraction|feature_selection|impute|compose\._column_transformer|utils|metrics"
    r"|random_projection|kernel_approximation|base|externals|datasets|model_selection\._split|_loss|tree\._tree"
    r"|gaussian_process\.kernels|frozen)"
    r"|imblearn\.(?:over_sampling|under_sampling|combine)|torch\.nn\.parameter|transformers\.tokenization)\b"
)
_MAYBE_MODELS = re.compile(r"sklearn\.(?:decomposition|manifold|neighbors\._(?:kd|ball)_tree|cross_decomposition)\b")
_LIKE_A_MODEL = re.compile(
    r"(?:Model|Classifier|Regressor|Estimator|Net|Network|Pipeline|Forest|Predictor|Ensemble|Recommender|Detector)$"
)
_NO_ARGUMENT = b"()012.N\x88\x89abd}el]oRstu\x81\x85\x86\x87\x8f\x90\x91\x92\x93\x94Q\x97\x98"
_SIZES = {
    **dict.fromkeys(_NO_ARGUMENT, 0),
    **dict(zip(b"JKMGhjqr\x80\x82\x83\x84\x95", (4, 1, 2, 8, 1, 4, 1, 4, 1, 1, 2, 4, 8), strict=True)),
}
_COUNTED = dict(zip(b"UC\x8c\x8aTXB\x8b\x8d\x8e\x96", (1, 1, 1, 1, 4, 4, 4, 4, 8, 8, 8), strict=True))
_LINES = {**dict.fromkeys(b"ILFSVPgp", 1), **dict.fromkeys(b"ci", 2)}
_TEXTS = b"UTSVX\x8c\x8d"
_GETS = b"hjg"
_PUTS = b"qrp"
_MEMOIZE, _STACK_GLOBAL, _GLOBAL, _STOP = b"\x94\x93c."
# A class named within what is no opcode, as behind the raw arrays that joblib writes between them.
_NAMED = re.compile(
    rb"\x8c.([A-Za-z_][\w.]{1,80})\x94\x8c.([A-Z]\w{1,60})\x94\x93|c([A-Za-z_][\w.]{1,80})\n([A-Z]\w{1,60})\n", re.S
)
_DATA = ("numpy.", "pandas.", "polars.", "scipy.sparse", "pyarrow.")
_PLAIN = (
    *_DATA, "datetime.", "collections.", "builtins.", "__builtin__.", "copyreg.", "copy_reg.", "_codecs.", "joblib.",
)  # fmt: skip


class Pickled(Struct, frozen=True):
    """What a pickle holds: the classes that it names, in order, and the one of them that is the model's, if any."""

    classes: list[str]
    model: str = ""

    @property
    def data(self) -> bool:
        """Whether all that it names is what data is made of."""
        return any(name.startswith(_DATA) for name in self.classes) and all(
            name.startswith(_PLAIN) for name in self.classes
        )


def read(head: bytes) -> Pickled:
    """What the first bytes of a pickle tell. A damaged one tells what comes before the damage."""
    found: dict[str, None] = {}
    left = MAX_OPCODES
    for name in _globals(head):
        left -= 1
        if name and name not in found:
            found[name] = None
            if is_model(name):
                left = min(left, _AFTER)
        if left <= 0:
            break
    if "joblib.numpy_pickle.NumpyArrayWrapper" in found and not any(map(is_model, found)):
        found.update(dict.fromkeys(_further(head)))
    classes = list(found)
    return Pickled(classes, _model(classes))


def is_model(name: str) -> bool:
    """Whether a class of this name, with its module, is one of a library's models."""
    library = name.startswith(_LIBRARIES) and name.rpartition(".")[2][:1].isupper()
    return library and not _NO_MODELS.match(name) and not _MAYBE_MODELS.match(name)


def is_part(name: str) -> bool:
    """Whether a class of this name prepares data, is a part of a model or holds plain data: no model of the user's."""
    return bool(_NO_MODELS.match(name)) or name.startswith(_PLAIN)


def _model(classes: list[str]) -> str:
    sure = next((name for name in classes if is_model(name)), "")
    maybe = next((name for name in classes if _MAYBE_MODELS.match(name)), "")
    own = classes[0] if classes and _LIKE_A_MODEL.search(classes[0]) and not _NO_MODELS.match(classes[0]) else ""
    return own or sure or maybe


def _further(head: bytes) -> list[str]:
    named = (match[1] + b"." + match[2] if match[1] else match[3] + b"." + match[4] for match in _NAMED.finditer(head))
    return [name.decode("ascii", "replace") for name in named]


def _globals(head: bytes) -> Iterator[str]:
    """Each class or function that the opcodes name, '' for each opcode that names none."""
    memo: dict[int, str] = {}
    before = last = ""  # the last two texts that were pushed
    top = ""  # the text that the last opcode pushed, which a MEMOIZE keeps
    for code, argument in _opcodes(head):
        if code in _TEXTS:
            top = argument.decode("utf-8", "replace")
            before, last = last, top
        elif code == _MEMOIZE:
            memo[len(memo)] = top
        elif code in _PUTS:
            memo[_index(code, argument)] = top
        elif code in _GETS:
            top = memo.get(_index(code, argument), "")
            before, last = (last, top) if top else (before, last)
        else:
            top = ""
            if code == _GLOBAL:
                yield argument.decode("utf-8", "replace").replace("\n", ".")
            elif code == _STACK_GLOBAL:
                yield f"{before}.{last}"
        yield ""


def _index(code: int, argument: bytes) -> int:
    if code in b"gp":
        return int(argument) if argument.isdigit() and len(argument) < 10 else -1
    return int.from_bytes(argument, "little")


def _opcodes(head: bytes) -> Iterator[tuple[int, bytes]]:
    """The opcodes with their arguments, up to the end, or to what is none."""
    at, end = 0, len(head)
    while at < end:
        code = head[at]
        at += 1
        size = _SIZES.get(code)
        if size is None and code in _COUNTED:
            width = _COUNTED[code]
            size = int.from_bytes(head[at : at + width], "little")
            at += width
        elif size is None and code in _LINES:
            stop = head.find(b"\n", at)
            if _LINES[code] == 2 and stop >= 0:
                stop = head.find(b"\n", stop + 1)
            if stop < 0:
                return
            yield code, head[at:stop]
            at = stop + 1
            continue
        if size is None or at + size > end:
            return
        yield code, head[at : at + size]
        if code == _STOP:
            return
        at += size
