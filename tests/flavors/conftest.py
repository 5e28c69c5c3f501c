"""Real estimators, fitted once for all tests of the flavors."""

from __future__ import annotations

import pandas
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor


@pytest.fixture(scope="session")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="session")
def flowers():
    """The iris table with its species as words."""
    bunch = load_iris(as_frame=True)
    return bunch.data, bunch.target.map(dict(enumerate(bunch.target_names)))


@pytest.fixture(scope="session")
def people():
    """A table of mixed types and what to predict from it."""
    table = pandas.DataFrame({"age": [30, 40, 50, 60], "city": ["Rome", "Oslo", "Rome", "Oslo"]})
    return table, [0, 1, 0, 1]


@pytest.fixture(scope="session")
def estimators(iris, flowers, people):
    """name -> (fitted estimator, input)."""
    rows, y = iris
    table, species = flowers
    texts = ["good day", "bad day", "good night", "bad night"]
    columns = ColumnTransformer([("age", StandardScaler(), ["age"]), ("city", OneHotEncoder(), ["city"])])
    return {
        "classifier": (LogisticRegression(C=0.5, max_iter=500).fit(rows, y), rows),
        "regressor": (LinearRegression().fit(rows, y), rows),
        "two outputs": (DecisionTreeRegressor(max_depth=2).fit(rows, rows[:, :2]), rows),
        "forest": (RandomForestClassifier(n_estimators=5, random_state=0).fit(rows, y), rows),
        "pipeline": (make_pipeline(StandardScaler(), Ridge(alpha=0.5)).fit(rows, y), rows),
        "search": (GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0]}, cv=2).fit(rows, y), rows),
        "table": (LogisticRegression(max_iter=2000).fit(table, species), table),
        "columns": (make_pipeline(columns, LogisticRegression()).fit(*people), people[0]),
        "text": (make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts, ["up", "down", "up", "down"]), texts),
    }
