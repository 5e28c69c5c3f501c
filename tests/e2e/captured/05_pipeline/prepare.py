"""Raw rows, cleaned and parted."""

import argparse
import os

import pandas as pd
from lib.common import COLUMNS

parser = argparse.ArgumentParser()
parser.add_argument("raw")
parser.add_argument("--to", default="work")
parser.add_argument("--test-share", type=float, default=0.2)
args = parser.parse_args()

rows = pd.read_csv(args.raw).dropna(subset=COLUMNS)
cut = round(len(rows) * (1 - args.test_share))
os.makedirs(args.to, exist_ok=True)
rows[:cut].to_csv(f"{args.to}/train.csv", index=False)
rows[cut:].to_csv(f"{args.to}/test.csv", index=False)
