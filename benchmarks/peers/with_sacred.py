"""Sacred with its FileStorageObserver: values are kept in memory and written every ten seconds, and at the end."""

import glob
import json
import threading

from sacred import Experiment
from sacred.observers import FileStorageObserver

RUNS = "sacred"
LACKS = {"directory": "keeps single files"}
_state = {}


def _experiment(work):
    made = Experiment("bench", save_git_info=False)
    made.observers.append(FileStorageObserver(RUNS))
    made.main(work)
    return made


def start():
    """A run in a thread of its own, as a run lasts as long as its main function."""
    begun, done = threading.Event(), threading.Event()

    def work(_run):
        _state["run"] = _run
        begun.set()
        done.wait()

    thread = threading.Thread(target=_experiment(work).run)
    thread.start()
    begun.wait()
    _state.update(done=done, thread=thread)


def end():
    _state["done"].set()
    _state["thread"].join()


def point(key, value, step):
    _state["run"].log_scalar(key, value, step)


def metrics(values, step):
    log = _state["run"].log_scalar
    for key, value in values.items():
        log(key, value, step)


def artifact(path):
    _state["run"].add_artifact(path)


def run(number, path):
    def work(_run):
        for key in range(10):
            _run.log_scalar(f"m{key}", float(number * key), 0)
        _run.add_artifact(path)

    experiment = _experiment(work)
    experiment.add_config({f"p{key}": number * key for key in range(10)})
    experiment.run()


def count():
    whole = 0
    for name in glob.glob(f"{RUNS}/*/run.json"):
        with open(name) as file:
            whole += json.load(file)["status"] == "COMPLETED"
    return whole
