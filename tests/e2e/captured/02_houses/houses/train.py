"""What a house costs: `python -m houses.train --alpha 0.5 --folds=3`."""

import os
import pickle
import sys

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score

from .loading import load


def option(name, default):
    for number, argument in enumerate(sys.argv):
        if argument == f"--{name}":
            return float(sys.argv[number + 1])
        if argument.startswith(f"--{name}="):
            return float(argument.split("=")[1])
    return default


def main():
    features, price, weights = load()
    cut = len(price) - int(len(price) / option("folds", 5))
    model = Ridge(alpha=option("alpha", 1.0)).fit(features[:cut], price[:cut], sample_weight=weights[:cut])
    predicted = model.predict(features[cut:])

    test_mae = mean_absolute_error(price[cut:], predicted)
    print("off by", test_mae, "on the average")
    print("R2", r2_score(price[cut:], predicted))

    os.makedirs("out", exist_ok=True)
    np.save("out/predictions.npy", predicted)
    with open("out/model.pkl.part", "wb") as file:
        pickle.dump(model, file)
    os.replace("out/model.pkl.part", "out/model.pkl")


main()
