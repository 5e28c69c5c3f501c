"""DVCLive, a directory a run; without DVC's experiments and cache, as processes at once get no lock or lose runs."""

import glob
import shutil
import uuid

from dvclive import Live

_state = {}


def prepare():
    start()  # makes .dvc, which two processes cannot do at once
    shutil.rmtree("dvclive", ignore_errors=True)


def start():
    _state["live"] = Live(f"dvclive/{uuid.uuid4().hex}", save_dvc_exp=False, dvcyaml=False)


def end():
    _state["live"].end()


def point(key, value, step):
    live = _state["live"]
    live.step = step
    live.log_metric(key, value)


def metrics(values, step):
    live = _state["live"]
    live.step = step
    for key, value in values.items():
        live.log_metric(key, value)


def params(values):
    _state["live"].log_params(values)


def artifact(path):
    _state["live"].log_artifact(path, copy=True, cache=False)


def count():
    return len(glob.glob("dvclive/*/metrics.json"))
