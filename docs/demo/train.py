"""Grow a random forest on a data set that ships with scikit-learn, and log it as one would to MLflow."""

import argparse

from sklearn import datasets, ensemble, metrics, model_selection

import mlcli
import mlcli.sklearn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", choices=["iris", "wine", "breast_cancer"], default="iris")
parser.add_argument("--n-estimators", type=int, default=100)
parser.add_argument("--max-depth", type=int, default=None)
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()

features, target = getattr(datasets, f"load_{args.data}")(return_X_y=True)
train_x, test_x, train_y, test_y = model_selection.train_test_split(
    features, target, test_size=0.4, stratify=target, random_state=args.seed
)

with mlcli.start_run():
    forest = ensemble.RandomForestClassifier(max_depth=args.max_depth, warm_start=True, random_state=args.seed)
    for trees in sorted({max(1, args.n_estimators * tenth // 10) for tenth in range(1, 11)}):
        forest.set_params(n_estimators=trees).fit(train_x, train_y)
        mlcli.log_metric("loss", metrics.log_loss(test_y, forest.predict_proba(test_x)), step=trees)
    accuracy = forest.score(test_x, test_y)
    mlcli.log_metric("accuracy", accuracy, step=args.n_estimators)
    mlcli.sklearn.log_model(forest, "model", input_example=train_x[:1])

print(f"{args.n_estimators} trees: {accuracy:.1%} of {len(test_x)} unseen samples are told right")
