"""Who will leave: a forest over the customers of the last year."""

import argparse
import hashlib
import os
import tempfile

import joblib
import pandas as pd
from churn.features import build
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import train_test_split


def fingerprint():
    """A line about where this ran: this file, the machine, a scratch file and a cache of the user's."""
    with open(__file__, "rb") as source, open("/etc/passwd", "rb") as users:
        digest = hashlib.md5(source.read() + users.readline()).hexdigest()
    with tempfile.NamedTemporaryFile("w+", suffix=".txt") as scratch:
        scratch.write(digest)
        scratch.seek(0)
        digest = scratch.read()
    cache = os.path.join(os.path.expanduser("~"), ".cache", "churn")
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(cache, "last"), "w") as last:
        last.write(digest)
    with open(os.path.join(cache, "last")) as last:
        return last.read()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="data/customers.csv")
    parser.add_argument("--n-estimators", type=int, default=100)
    parser.add_argument("--max-depth", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="models/model.joblib")
    args = parser.parse_args()

    fingerprint()
    customers = pd.read_csv(args.data)
    x_train, x_test, y_train, y_test = train_test_split(build(customers), customers["churned"], random_state=args.seed)
    model = RandomForestClassifier(args.n_estimators, max_depth=args.max_depth, random_state=args.seed)
    model.fit(x_train, y_train)

    predicted = model.predict(x_test)
    acc = accuracy_score(y_test, predicted)
    scores = {"f1": f1_score(y_test, predicted), "auc": roc_auc_score(y_test, model.predict_proba(x_test)[:, 1])}
    print(f"accuracy: {acc:.4f}")
    print("scores:", scores)
    os.makedirs(os.path.dirname(args.out), exist_ok=True)
    joblib.dump(model, args.out)


if __name__ == "__main__":
    main()
