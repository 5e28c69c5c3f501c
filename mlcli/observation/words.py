"""Which words name a metric: what those before a printed number call it."""

from __future__ import annotations

import re

_METRICS = frozenset(
    """
    acc accuracy loss losses f1 fscore auc auroc auprc aucpr ap map rmse mae mse mape smape rmsle rmsse nmse r2 score
    precision recall error err merror mlogloss logloss perplexity ppl bleu rouge rougel rougelsum iou miou dice mcc
    kappa cer wer ndcg mrr hits psnr ssim fid elbo nll bpc reward return silhouette gini brier specificity sensitivity
    deviance top1 top5 likelihood jaccard hinge crossentropy
    """.split()  # noqa: SIM905
)
_QUALIFIERS = frozenset(
    """
    macro micro weighted avg average mean std test val valid validation train dev eval final best class score s set data
    """.split()  # noqa: SIM905
)
_NO_NAMES = frozenset(
    """
    the a an is was are of and with in epoch step iter iteration round info debug warning got our has to log by batch
    end i achieved reached
    """.split()  # noqa: SIM905
)
_PLACES = {"on", "for", "over"}
_NOT_AFTER = {"from", "threshold", "target", "goal", "tol", "tolerance", "than", "min_delta", "patience", "weight"}
_WHOLE = {
    "loss", "mse", "mae", "rmse", "perplexity", "ppl", "reward", "return", "bleu", "psnr", "fid", "acc", "accuracy",
    "deviance",
}  # fmt: skip
_RARELY = {"map", "return", "error"}  # words of other things, too

MAX_WORDS = 5
_QUALIFIER = re.compile(r"\s*\(([\w .-]{1,20})\)$")
_WORD = re.compile(r"[A-Za-z_][\w@/.^'+-]*")
_OPENING = re.compile(r"[\[{(:\"]")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_LETTER = re.compile(r"[^a-z0-9]+")


def named(text: str) -> str:
    """What `text` calls the number that follows it, where its last words are those of a metric; else nothing.

    'Test accuracy' is test_accuracy, "valid_1's auc" valid_1-auc, 'Start training from score' nothing.
    """
    words, before = _last_words(text)
    if before in _NOT_AFTER or any(word.lower() in _NOT_AFTER for word in words):
        return ""
    metric = next((at for at, word in enumerate(words) if _is_metric(word)), None)
    if metric is None:
        return ""
    told = [word.lower().rstrip(".") for word in words]
    after = told[metric + 1 :]
    placed = after[:1] and after[0] in _PLACES
    if not (placed or _is_metric(words[-1]) or all(word in _QUALIFIERS for word in after)):
        return ""
    return "_".join(told).replace("'s_", "-").replace("'", "").replace("^", "").strip("_.-/")


def may_be(name: str, number: str, *, explicit: bool) -> bool:
    """Whether this number can be a value of this metric; `explicit` says that a sign stands between the two.

    A whole number is rather a count or a setting: 'precision: 16'.
    """
    if not number.isdecimal():
        return explicit or name not in _RARELY
    return explicit and (number in {"0", "1"} or _NO_LETTER.split(name)[-1] in _WHOLE)


def _last_words(text: str) -> tuple[list[str], str]:
    """The last words, at most five, as far as they may be one name; and the word before them."""
    qualifier = _QUALIFIER.search(text)
    words = qualifier[1].split() if qualifier else []
    for word in reversed((text[: qualifier.start()] if qualifier else text).split()[-MAX_WORDS - 1 :]):
        core = _OPENING.split(word)[-1].lstrip("'")
        if not _WORD.fullmatch(core) or core.lower() in _NO_NAMES or len(words) == MAX_WORDS:
            return words, word.lower()
        words.insert(0, core)
        if core != word:
            break
    return words, ""


def _is_metric(word: str) -> bool:
    """Whether a word is a metric's, with what it is of before it and how it was taken behind it: val_f1_macro."""
    parts = _parts(word.lower())
    if not (parts and _is_known(parts[-1])):
        parts = _parts(_CAMEL.sub("_", word).lower())
    while len(parts) > 1 and not _is_known(parts[-1]) and (parts[-1] in _QUALIFIERS or parts[-1].isdigit()):
        parts.pop()
    return bool(parts) and _is_known(parts[-1])


def _parts(word: str) -> list[str]:
    return [part for part in _NO_LETTER.split(word.replace("^", "")) if part]


def _is_known(part: str) -> bool:
    return part in _METRICS or part.rstrip("0123456789") in _METRICS
