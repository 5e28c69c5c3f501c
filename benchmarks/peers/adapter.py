"""One logger under measurement, alone in its process: `python adapter.py NAME VERB [ARGUMENT]...` prints JSON.

`with_NAME.py` beside this says how the logger is used, by functions of these names, each optional:

    prepare()                make the store that runs go to
    start(), end()           begin and end a run
    point(key, value, step)  log one value
    metrics(values, step)    log several by one call
    params(values)
    artifact(path)           keep a file
    directory(path)          keep what is in a directory, where artifact() does not
    run(number, path)        a whole small run, for a logger whose runs are processes
    count()                  how many runs are in the store, whole
    LACKS = {"points": why}  what it cannot do, and why

`with_NAME_registry.py` says the same of a registry of models, for `registry.py`:

    ask_make(count, spare)   a store of one model with so many versions, each promoted in its turn, and room for more
    commands(number)         {operation: argv}, by which the version of that number is registered and promoted
    operations(number)       {operation: callable}, the same without a process of its own

Written for the interpreter of any peer's environment: nothing but the standard library, and nothing of mlcli.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import resource
import sys
import time

ROUNDS = 7
FLOOR = 100_000


def cpu():
    """CPU seconds of this process, all its threads, and the children that it waited for."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, whose))


def one_floor(count):
    """A formatted line and one os.write for each point, into a file of this directory."""
    descriptor = os.open("floor", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC)
    began = time.perf_counter()
    for step in range(count):
        moment = time.time_ns()
        line = f'{{"metric":"loss","value":{step * 0.5!r},"step":{step},"at":{moment}}}\n'
        os.write(descriptor, line.encode())
    took = time.perf_counter() - began
    os.close(descriptor)
    return took


def ten_floor(count):
    """Ten formatted lines and one os.write for each call."""
    descriptor = os.open("floor", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC)
    began = time.perf_counter()
    for step in range(count):
        moment = time.time_ns()
        lines = [f'{{"metric":"m{k}","value":{step * 0.5!r},"step":{step},"at":{moment}}}\n' for k in range(10)]
        os.write(descriptor, "".join(lines).encode())
    took = time.perf_counter() - began
    os.close(descriptor)
    return took


def one(logger, count):
    log = logger.point
    began = time.perf_counter()
    for step in range(count):
        log("loss", step * 0.5, step)
    return time.perf_counter() - began


def ten(logger, count):
    log = logger.metrics
    began = time.perf_counter()
    for step in range(count):
        log({f"m{k}": step * 0.5 for k in range(10)}, step)
    return time.perf_counter() - began


def rates(logger, log, floor, calls_of_floor, seconds):
    """Calls a second in each of several rounds, a round of the floor before each; and what the run's end takes."""
    logger.start()
    count, all_calls, all_seconds = 10, 0, 0.0
    used = -cpu()
    while (took := log(logger, count)) < seconds / ROUNDS / 2:
        all_calls, all_seconds, count = all_calls + count, all_seconds + took, count * 2
    all_calls, all_seconds = all_calls + count, all_seconds + took
    used += cpu()
    measured, floors = [], []
    for _ in range(ROUNDS):
        floors.append(calls_of_floor / floor(calls_of_floor))
        used -= cpu()
        took = log(logger, count)
        used += cpu()
        all_calls, all_seconds = all_calls + count, all_seconds + took
        measured.append(count / took)
    used -= cpu()
    began = time.perf_counter()
    logger.end()
    ended = time.perf_counter() - began
    return {
        "rates": measured, "floors": floors, "calls": all_calls, "end": ended,
        "with_end": all_calls / (all_seconds + ended), "cpu": (used + cpu()) / all_calls,
    }  # fmt: skip


class Verbs:
    """What can be asked of any logger. A `with_NAME.py` may have further verbs of its own, `ask_VERB`."""

    def __init__(self, logger):
        self.logger = logger

    def prepare(self):
        if hasattr(self.logger, "prepare"):
            self.logger.prepare()
        return {}

    def points(self, seconds):
        """One point a call, for about so many seconds."""
        return rates(self.logger, one, one_floor, FLOOR, float(seconds))

    def ten(self, seconds):
        """Ten metrics a call."""
        return rates(self.logger, ten, ten_floor, FLOOR // 10, float(seconds))

    def log(self, count):
        """A run of so many points."""
        self.logger.start()
        took = one(self.logger, int(count))
        began = time.perf_counter()
        self.logger.end()
        return {"seconds": took, "end": time.perf_counter() - began}

    def endless(self, path):
        """Log until killed; how many calls have come back stands at any moment in the file `path`."""
        self.logger.start()
        with open(path, "r+b") as file:
            told = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")
        log, step = self.logger.point, 0
        while True:
            log("loss", step * 0.5, step)
            step += 1
            told[0] = step

    def runs(self, count, seconds):
        """Small runs, one after the other, from when a line comes on stdin, until `seconds` have gone.

        One is made before, for what is imported and asked once a process.
        """
        path = f"artifact-{os.getpid()}"
        with open(path, "w") as file:
            file.write("x" * 1000)
        whole = getattr(self.logger, "run", self._run)
        whole(0, path)
        print("\nready", flush=True)
        sys.stdin.readline()
        made, used, began = 0, cpu(), time.perf_counter()
        while made < int(count) and (not made or time.perf_counter() - began < float(seconds)):
            whole(made, path)
            made += 1
        return {"made": made + 1, "timed": made, "seconds": time.perf_counter() - began, "cpu": cpu() - used}

    def _run(self, number, path):
        logger = self.logger
        logger.start()
        logger.params({f"p{key}": number * key for key in range(10)})
        logger.metrics({f"m{key}": float(number * key) for key in range(10)}, 0)
        logger.artifact(path)
        logger.end()

    def artifact(self, *paths):
        """A run that keeps these files, and what that and its end took; none, and it is the run alone."""
        return self._kept(self.logger.artifact, paths)

    def directory(self, path):
        return self._kept(getattr(self.logger, "directory", self.logger.artifact), [path])

    def _kept(self, keep, paths):
        self.logger.start()
        used, began = cpu(), time.perf_counter()
        for path in paths:
            keep(path)
        self.logger.end()
        return {"cpu": cpu() - used, "wall": time.perf_counter() - began}

    def count(self):
        return {"count": self.logger.count()}

    def commands(self, first, rounds):
        """What each round, which registers the version of the next number, has to start."""
        return {"rounds": [self.logger.commands(int(first) + each) for each in range(int(rounds))]}

    def operations(self, first, rounds, *without):
        """The same by calls in this process: CPU and wall of each, in turn."""
        told = {}
        for number in range(int(first), int(first) + int(rounds)):
            for name, call in self.logger.operations(number).items():
                if name not in without:
                    used, began = cpu(), time.perf_counter()
                    call()
                    told.setdefault(name, []).append([cpu() - used, time.perf_counter() - began])
        return told


def main():
    name, verb, *arguments = sys.argv[1:]
    logger = importlib.import_module(f"with_{name}")
    lacks = getattr(logger, "LACKS", {})
    if verb in lacks:
        told = {"lacks": lacks[verb]}
    else:
        own = getattr(logger, f"ask_{verb}", None)
        told = (own or getattr(Verbs(logger), verb))(*arguments)
    # On a line of its own: some peers talk.
    sys.stdout.write(f"\n{json.dumps(told)}\n")


if __name__ == "__main__":
    main()
