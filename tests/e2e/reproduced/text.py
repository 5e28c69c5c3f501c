"""Sentences of scikit-learn's descriptions of its data sets, told apart by the data set that they describe."""

import re

from sklearn import datasets
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

import mlcli as mlflow
import mlcli.sklearn

SEED = 0
texts, names = [], []
for name in ("breast_cancer", "diabetes", "digits", "iris", "wine"):
    lines = re.split(r"(?<=[.:])\s+|\n\n", getattr(datasets, f"load_{name}")().DESCR)
    sentences = [line for line in lines if len(line.split()) > 4]
    texts += sentences
    names += [name] * len(sentences)
train_x, test_x, train_y, test_y = train_test_split(texts, names, test_size=0.3, random_state=SEED, stratify=names)

with mlflow.start_run():
    mlflow.log_params({"seed": SEED, "sentences": len(texts)})
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LinearSVC(random_state=SEED)).fit(train_x, train_y)
    mlflow.log_metric("f1", f1_score(test_y, model.predict(test_x), average="macro"))
    mlflow.log_text("\n".join(sorted(model[0].vocabulary_)), "vocabulary.txt")
    mlflow.sklearn.log_model(model, "model")
