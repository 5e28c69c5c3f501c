"""The wines, as the notebook takes them."""

import pandas as pd


def load(path):
    wines = pd.read_csv(path)
    return wines.drop(columns="good"), wines["good"]
