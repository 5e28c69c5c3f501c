"""What it sells for: LightGBM, which reads its files itself."""

import lightgbm as lgb

PARAMS = {"objective": "regression", "metric": ["l2", "l1"], "num_leaves": 7, "num_threads": 1, "verbose": -1}
FORMAT = {"header": True, "label_column": "name:price"}

train = lgb.Dataset("data/train.csv", params=FORMAT)
valid = lgb.Dataset("data/valid.csv", params=FORMAT, reference=train)
history = {}
booster = lgb.train(
    {**PARAMS, **FORMAT},
    train,
    num_boost_round=6,
    valid_sets=[valid],
    valid_names=["valid"],
    callbacks=[lgb.record_evaluation(history), lgb.log_evaluation(2)],
)
booster.save_model("prices.txt")
