"""How much a turbine gives: the model and its settings are chosen by Hydra."""

import logging
import os

import hydra
import joblib
import pandas as pd
from hydra.core.hydra_config import HydraConfig
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

log = logging.getLogger(__name__)


def made(model, seed):
    if model.name == "ridge":
        return Ridge(alpha=model.alpha)
    return RandomForestRegressor(model.trees, max_depth=model.depth, random_state=seed)


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    turbines = pd.read_csv(cfg.data)
    parts = train_test_split(
        turbines.drop(columns="power"), turbines["power"], test_size=cfg.holdout, random_state=cfg.seed
    )
    x_train, x_test, y_train, y_test = parts
    model = made(cfg.model, cfg.seed).fit(x_train, y_train)
    r2 = model.score(x_test, y_test)
    log.info("a share of %.3f is explained", r2)
    joblib.dump(model, os.path.join(HydraConfig.get().runtime.output_dir, "model.joblib"), compress=3)


if __name__ == "__main__":
    main()
