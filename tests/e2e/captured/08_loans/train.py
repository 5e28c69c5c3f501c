"""Who will not pay back: boosted trees, watched on two sets."""

import argparse
import os

import duckdb
import pandas as pd
from xgboost import XGBClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=8)
parser.add_argument("--eta", type=float, default=0.3)
args = parser.parse_args()

train = duckdb.read_parquet("data/train.parquet").df()
valid = pd.read_csv("data/valid.csv")
model = XGBClassifier(n_estimators=args.rounds, learning_rate=args.eta, max_depth=3, eval_metric="logloss", n_jobs=1)
sets = [(part.drop(columns="default"), part["default"]) for part in (train, valid)]
model.fit(*sets[0], eval_set=sets, verbose=False)
os.makedirs("models", exist_ok=True)
model.save_model("models/model.json")
