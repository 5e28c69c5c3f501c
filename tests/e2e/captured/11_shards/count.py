"""The mean error of the even shards and the greatest of the odd ones, read by workers of two kinds."""

import glob
import json
import multiprocessing
import os
import tempfile

from joblib import Parallel, delayed
from reading import largest, total


def main():
    paths = sorted(glob.glob("shards/*.csv"))
    sums = Parallel(n_jobs=2)(delayed(total)(path) for path in paths[::2])
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        worst = max(pool.map(largest, paths[1::2]))

    metrics = {"mean_error": sum(sums) / len(sums) / 1000, "worst_error": worst / 1000}
    with tempfile.TemporaryDirectory() as scratch:
        part = os.path.join(scratch, "count.json")
        with open(part, "w") as file:
            json.dump({"shards": len(paths)}, file)
        with open(part) as file:
            metrics.update(json.load(file))
    with open("metrics.json", "w") as file:
        json.dump(metrics, file)


if __name__ == "__main__":
    main()
