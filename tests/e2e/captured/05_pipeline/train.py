"""A tree over the prepared rows."""

import os
import sys

import joblib
import pandas as pd
from lib.common import COLUMNS
from sklearn.tree import DecisionTreeClassifier

rows = pd.read_csv(sys.argv[1])
tree = DecisionTreeClassifier(max_depth=4, random_state=0)
tree.fit(rows[COLUMNS], rows["label"])
os.makedirs("models", exist_ok=True)
joblib.dump(tree, "models/tree.joblib")
