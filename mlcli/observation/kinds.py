"""What a file is: told by its first bytes and its name. Nothing in it is executed, and little of it is read."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from . import pickles
from .compressed import opened
from .metricfiles import is_metrics

if TYPE_CHECKING:
    from .zips import Zip

HEAD = 1 << 16
_STEPS = {"epoch", "step", "iteration", "global_step", "iter", "round"}
# Where, what, kind and format: the first that fits.
_MAGIC = (
    (0, b"\x93NUMPY", "data", "npy"),
    (0, b"PAR1", "data", "parquet"),
    (0, b"ARROW1", "data", "arrow"),
    (0, b"FEA1", "data", "feather"),
    (0, b"SQLite format 3\0", "data", "sqlite"),
    (8, b"DUCK", "data", "duckdb"),
    (0, b"Obj\x01", "data", "avro"),
    (0, b"ORC", "data", "orc"),
    (0, b"MATLAB 5.0 MAT", "data", "mat"),
    (0, b"CBM1", "model", "catboost"),
    (0, b"GGUF", "model", "gguf"),
    (4, b"TFL3", "model", "tflite"),
    (0, b"binf", "model", "xgboost"),
    (0, b"\x89PNG\r\n\x1a\n", "figure", "png"),
    (0, b"\xff\xd8\xff", "figure", "jpeg"),
    (0, b"GIF8", "figure", "gif"),
    (8, b"WEBP", "figure", "webp"),
    (0, b"%PDF-", "figure", "pdf"),
    (257, b"ustar", "archive", "tar"),
    (0, b"7z\xbc\xaf\x27\x1c", "archive", "7z"),
)
_ENDINGS = {
    **dict.fromkeys(("csv", "tsv", "jsonl", "ndjson", "arff", "libsvm", "svmlight", "npy", "npz"), "data"),
    **dict.fromkeys(("svg", "html", "png", "jpg", "jpeg", "pdf", "bmp", "tif", "tiff", "eps"), "figure"),
    **dict.fromkeys(("onnx", "pmml", "cbm", "safetensors", "ubj"), "model"),
}
_PICKLES = {"pkl", "pickle", "joblib", "sav", "model", "pt", "pth", "ckpt", "p", "dump"}
_FORMATS = {"jpg": "jpeg", "tif": "tiff", "htm": "html", "ndjson": "jsonl"}
_LEGACY_TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_NAMES_A_MODEL = ("model", "clf", "classifier", "regressor", "estimator", "checkpoint", "weights")


class Recognised(Struct, frozen=True):
    """What a file is. `kind` is model, data, metrics, figure, archive or file; `format` its format, as png.

    `classes` are those that its content names: of a model first its own.
    """

    kind: str
    format: str
    classes: list[str] = []


def recognised(path: str) -> Recognised:
    """What the file at `path` is; a plain file where that is not known, or it is gone, damaged or no regular file."""
    name = os.path.basename(path).lower()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return Recognised("file", "")
        with open(path, "rb") as file:
            head = file.read(HEAD)
            if head[:4] == b"PK\x03\x04":
                from .zips import Zip

                return _zipped(Zip(file, head), name)
            unpacked = opened(head, file)
    except OSError:
        return Recognised("file", _ending(name))
    if unpacked is None:
        return _by_content(head, name)
    how, content = unpacked
    within = _by_content(
        content, name[: name.rfind(".")] if _ending(name) in {"gz", "bz2", "xz", "z", "lzma"} else name
    )
    kind = "archive" if within.kind == "file" and within.format != "pickle" else within.kind
    return Recognised(kind, f"{within.format}+{how}" if content else how, within.classes)


def _by_content(head: bytes, name: str) -> Recognised:
    if "tfevents" in name:
        return Recognised("metrics", "tfevents")
    if _is_pickle(head, _ending(name)):
        return _pickled(head, name)
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        is_model = b"model_config" in head or b"keras" in head or b"layer_names" in head or name.endswith(".keras")
        return Recognised("model" if is_model else "data", "hdf5")
    for at, magic, kind, kept in _MAGIC:
        if head.startswith(magic, at):
            return Recognised(kind, kept)
    return _model_text(head, name) or _by_name(head, name)


def _model_text(head: bytes, name: str) -> Recognised | None:
    """A model that is no pickle: LightGBM's and XGBoost's own, safetensors, ONNX, PMML."""
    if head.startswith(b"tree\n") and b"version=v" in head[:60]:
        return Recognised("model", "lightgbm-text", ["lightgbm.basic.Booster"])
    start = head[:256].lstrip()
    if start[:1] == b"{" and b"learner" in head[:4096] and b"gradient_booster" in head:
        text = start[1:64].lstrip().startswith(b'"')
        return Recognised("model", "xgboost-json" if text else "xgboost-ubj", ["xgboost.core.Booster"])
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 27 and b'"dtype"' in head[:8192]:
        return Recognised("model", "safetensors")
    if name.endswith(".onnx") and head[:1] == b"\x08":
        return Recognised("model", "onnx")
    return Recognised("model", "pmml") if b"<PMML" in head[:1024] else None


def _by_name(head: bytes, name: str) -> Recognised:
    """What a text is by its name, and where that is not enough by how it begins."""
    ending = _ending(name)
    kept = _FORMATS.get(ending, ending)
    start = head[:512].lstrip().lower()
    if is_metrics(name) and (ending != "csv" or _STEPS & set(start.partition(b"\n")[0].decode("latin-1").split(","))):
        return Recognised("metrics", kept)
    if ending == "json":
        return Recognised("data" if start[:1] == b"[" else "file", "json")
    if start.startswith((b"<!doctype html", b"<html")):
        return Recognised("figure", "html")
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in head[:1024]):
        return Recognised("figure", "svg")
    return Recognised(_ENDINGS.get(ending, "file"), kept)


def _is_pickle(head: bytes, ending: str) -> bool:
    if head[:1] == b"\x80":
        return head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return ending in _PICKLES and head[:1] in b"(cILFSVN]}l" and bool(head)  # of the protocols before


def _pickled(head: bytes, name: str) -> Recognised:
    if head.startswith(_LEGACY_TORCH, 2):
        return Recognised("model", "torch")
    held = pickles.read(head)
    if held.model:
        return Recognised("model", "pickle", [held.model, *(each for each in held.classes if each != held.model)])
    if held.data:
        return Recognised("data", "pickle", held.classes)
    own = bool(held.classes) and not pickles.is_part(held.classes[0]) and any(word in name for word in _NAMES_A_MODEL)
    return Recognised("model" if own else "file", "pickle", held.classes)


def _zipped(archive: Zip, name: str) -> Recognised:
    """What a zip file is, by the names of its members: many formats are zip files."""
    names = archive.names()
    if names[:1] and names[0].endswith("data.pkl"):
        return Recognised("model", "torch", pickles.read(archive.member(names[0])).classes)
    if "schema.json" in names:
        return Recognised("model", "skops", _class_in(archive.member("schema.json"), "__module__", "__class__"))
    if "model.weights.h5" in names:
        return Recognised("model", "keras", _class_in(archive.member("config.json"), "module", "class_name"))
    if names and all(each.endswith(".npy") for each in names):
        return Recognised("data", "npz")
    for member, kind, kept in (
        ("xl/workbook.xml", "data", "xlsx"), ("word/document.xml", "file", "docx"),
    ):  # fmt: skip
        if member in names:
            return Recognised(kind, kept)
    return Recognised("file" if name.endswith((".whl", ".jar")) else "archive", "zip")


def _class_in(document: bytes, module: str, name: str) -> list[str]:
    try:
        content: Any = msgspec.json.decode(document)
        return [f"{content[module]}.{content[name]}"]
    except (msgspec.DecodeError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _ending(name: str) -> str:
    return os.path.splitext(name)[1][1:]
