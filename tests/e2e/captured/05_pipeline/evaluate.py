"""How good the tree is on rows that it has not seen."""

import json
import os

import joblib
import pandas as pd
from lib.common import COLUMNS
from sklearn.metrics import accuracy_score, precision_score, recall_score

rows = pd.read_csv("work/test.csv")
predicted = joblib.load("models/tree.joblib").predict(rows[COLUMNS])
metrics = {
    "accuracy": accuracy_score(rows["label"], predicted),
    "precision": precision_score(rows["label"], predicted),
    "recall": recall_score(rows["label"], predicted),
    "rows": len(rows),
}
print(metrics)
os.makedirs("reports", exist_ok=True)
with open("reports/metrics.json", "w") as file:
    json.dump(metrics, file, indent=2)
