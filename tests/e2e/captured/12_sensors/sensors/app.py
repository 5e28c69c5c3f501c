"""Which sensor fails next: `python -m sensors.app train --rounds 5`."""

import pickle
from typing import Annotated

import typer
from sklearn.ensemble import GradientBoostingClassifier
from tensorboardX import SummaryWriter

from .data import load

app = typer.Typer()


@app.command()
def describe(path: str) -> None:
    print(len(load(path)[0]))


@app.command()
def train(
    database: str = "data/readings.db",
    rounds: Annotated[int, typer.Option()] = 20,
    rate: Annotated[float, typer.Option()] = 0.1,
) -> None:
    readings, failed = load(database)
    model = GradientBoostingClassifier(n_estimators=rounds, learning_rate=rate, random_state=0)
    model.fit(readings[:120], failed[:120])
    with SummaryWriter("events") as board:
        for number, deviance in enumerate(model.train_score_):
            board.add_scalar("deviance/train", deviance, number)
    accuracy = model.score(readings[120:], failed[120:])
    print(f"accuracy {accuracy:.3f}")
    with open("bundle.pkl", "wb") as file:
        pickle.dump({"model": model, "columns": ["heat", "hum"]}, file)


if __name__ == "__main__":
    app()
