"""Which of two models is worth having: cross-validation of both, a table, and no model left behind."""

import pandas as pd
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, cross_validate
from sklearn.naive_bayes import GaussianNB

patients = pl.read_csv("data/patients.csv")
X, y = patients.drop("ill").to_numpy(), patients["ill"].to_numpy().astype(int)

bayes = cross_val_score(GaussianNB(), X, y, cv=4)
print(f"naive Bayes: {bayes.mean():.3f} +- {bayes.std():.3f}")

results = cross_validate(LogisticRegression(), X, y, cv=4, scoring=["accuracy", "roc_auc"])
print("logistic regression:", results["test_roc_auc"].mean())

folds = pd.DataFrame({"bayes": bayes, "logistic": results["test_accuracy"]})
folds.to_csv("folds.csv", index_label="fold")
