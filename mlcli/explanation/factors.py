"""What can be a cause: all that is known of what a run was made from, flat, but for the content of its code."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from ..domain.names import is_python
from ..domain.run import Run
from ..domain.source import parsed_scalar
from ..domain.values import same_value

Key = tuple[str, str]

KINDS = ("code", "params", "inputs", "packages", "seed", "hardware")
CODE: Key = ("code", "code")
COMMAND: Key = ("code", "command")
FILES: Key = ("inputs", "input files")
PACKAGES: Key = ("packages", "packages")
REST: Key = ("packages", "other packages")

_SEED = re.compile(r"(?:^|[_./-])(?:seed|random_?state|rng)$", re.I)
# Packages that compute, in the sense that another version of one may give other numbers.
_COMPUTING = {
    *("numpy", "scipy", "scikit-learn", "pandas", "polars", "pyarrow", "joblib", "threadpoolctl", "numba", "cupy"),
    *("torch", "torchvision", "torchaudio", "lightning", "pytorch-lightning", "tensorflow", "keras", "jax", "jaxlib"),
    *("flax", "optax", "xgboost", "lightgbm", "catboost", "statsmodels", "transformers", "tokenizers", "datasets"),
    *("accelerate", "sentence-transformers", "spacy", "gensim", "nltk", "optuna", "imbalanced-learn", "scikit-image"),
    *("opencv-python", "pillow", "prophet", "category-encoders", "feature-engine", "dask", "ray", "mlx"),
}
# Of the variables that are noted, those that name a job or a shell are no cause.
_VARIABLES = {
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TOKENIZERS_PARALLELISM"),
    *("WORLD_SIZE", "RANK", "LOCAL_RANK", "LANG", "TZ"),
}
_ABSENT = object()


def factors(run: Run) -> dict[Key, Any]:
    """All but the content of the code: words of the command, params, inputs, packages, seeds, the machine."""
    noted = run.environment
    found: dict[Key, Any] = {COMMAND: _words(run)}
    found |= {("seed" if _SEED.search(key) else "params", key): param.value for key, param in run.params.items()}
    if kept := run.git.snapshot:
        found |= {("code", path): commit for path, commit in kept.nested.items()}
        found |= {("inputs", file.path): file.digest or f"{file.size} bytes" for file in kept.left_out}
    found |= {("inputs", input_.path): input_.digest for input_ in run.inputs}
    if noted.python:
        found["packages", "python"] = " ".join(filter(None, (noted.implementation, noted.python)))
    found |= {("packages", name): version for name, version in noted.packages.items() if name in _COMPUTING}
    found[REST] = {name: version for name, version in noted.packages.items() if name not in _COMPUTING}
    machine = {"platform": noted.platform, "machine": noted.machine, "cpus": noted.cpus}
    found |= {("hardware", key): value for key, value in machine.items() if value}
    found |= {("hardware", key): value for key, value in noted.variables.items() if key in _VARIABLES}
    if "PYTHONHASHSEED" in noted.variables:
        found["seed", "PYTHONHASHSEED"] = noted.variables["PYTHONHASHSEED"]
    return found


def quick(found: Mapping[Key, Any]) -> dict[Key, Any]:
    """Those that a run's short entry in the index holds, too."""
    return {key: value for key, value in found.items() if key == COMMAND or key[0] == "params"}


def differing(a: Mapping[Key, Any], b: Mapping[Key, Any]) -> list[Key]:
    """The keys whose values differ, in the order of their kinds."""
    keys = [key for key in dict.fromkeys((*a, *b)) if not alike(a, b, key)]
    return sorted(keys, key=lambda key: (KINDS.index(key[0]), key == REST))


def alike(a: Mapping[Key, Any], b: Mapping[Key, Any], key: Key) -> bool:
    """Whether both have the same there, or nothing."""
    one, other = a.get(key, _ABSENT), b.get(key, _ABSENT)
    return one is other or (one is not _ABSENT and other is not _ABSENT and same_value(one, other))


def _words(run: Run) -> list[str]:
    """The command without its interpreter, its options and their values, which are params: script, bare arguments."""
    argv = run.command.argv
    first = os.path.basename(argv[0]) if argv else ""
    values = [value for each in run.params.values() for value in _listed(each.value)]
    words = [] if is_python(first) else [first]
    for before, arg in pairwise(argv):
        is_value = before.startswith("--") and "=" not in before
        if arg and arg[0] != "-" and "=" not in arg and not is_value and parsed_scalar(arg) not in values:
            words.append(arg)
    return words


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
