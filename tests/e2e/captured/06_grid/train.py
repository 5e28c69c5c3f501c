"""The best of six support vector machines, two at a time."""

import joblib
import numpy as np
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

rows = np.loadtxt("data/measurements.txt")
X_train, X_test, y_train, y_test = train_test_split(rows[:, :-1], rows[:, -1], random_state=1)
search = GridSearchCV(
    make_pipeline(StandardScaler(), SVC()),
    {"svc__C": [0.1, 1, 10], "svc__kernel": ["linear", "rbf"]},
    scoring=make_scorer(f1_score),
    n_jobs=2,
    cv=3,
)
search.fit(X_train, y_train)
test_f1 = f1_score(y_test, search.predict(X_test))
print("best:", search.best_params_)
joblib.dump(search.best_estimator_, "best.joblib")
