"""The floor of a run: one JSON document and a copy of the artifact, both synced; no lock, no store, no capture."""

import json
import os
import shutil
import uuid

LACKS = dict.fromkeys(("points", "ten", "artifact", "directory"), "has its own floors")


def run(number, path):
    directory = f"runs/{uuid.uuid4().hex}"
    os.makedirs(directory)
    document = {
        "params": {f"p{key}": number * key for key in range(10)},
        "metrics": {f"m{key}": float(number * key) for key in range(10)},
    }
    with open(f"{directory}/run.json", "w") as file:
        json.dump(document, file)
        os.fsync(file.fileno())
    with open(path, "rb") as source, open(f"{directory}/artifact", "wb") as file:
        shutil.copyfileobj(source, file)
        os.fsync(file.fileno())


def count():
    return len(os.listdir("runs"))
