"""Trackio: a queue that a thread writes to SQLite; its params are given when a run begins."""

import os
import uuid

os.environ["TRACKIO_DIR"] = os.path.abspath("trackio")

import trackio
from trackio.sqlite_storage import SQLiteStorage

PROJECT = "bench"


def start(config=None):
    trackio.init(PROJECT, name=uuid.uuid4().hex, config=config, embed=False, auto_log_cpu=False, auto_log_gpu=False)


def prepare():
    start()
    trackio.log({"loss": 0.0})
    end()
    trackio.delete_project(PROJECT, force=True)


def end():
    trackio.finish()


def point(key, value, step):
    trackio.log({key: value}, step)


def metrics(values, step):
    trackio.log(values, step)


def artifact(path):
    trackio.log_artifact(path)


def run(number, path):
    start({f"p{key}": number * key for key in range(10)})
    trackio.log({f"m{key}": float(number * key) for key in range(10)})
    trackio.log_artifact(path)
    end()


def count():
    return len(SQLiteStorage.get_runs(PROJECT))
