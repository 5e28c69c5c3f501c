"""Is it spam: options by click, the rest from a file, and a loop that prints how it goes."""

import json

import click
import numpy as np
import yaml
from spam.model import accuracy, loss, step


@click.command()
@click.option("--epochs", type=int, default=3, show_default=True)
@click.option("--shuffle/--no-shuffle", default=True)
@click.option("--config", type=click.Path(exists=True), default="config.yaml")
@click.option("--out", type=click.Path(), default="weights.npz")
@click.argument("data", type=click.Path(exists=True))
def train(epochs, shuffle, config, out, data):
    with open(config) as file:
        settings = yaml.safe_load(file)
    with open(data) as file:
        messages = [json.loads(line) for line in file]
    features = np.array([message["features"] for message in messages])[:, : settings["features"]]
    spam = np.array([message["spam"] for message in messages])
    if shuffle:
        order = np.random.RandomState(0).permutation(len(spam))
        features, spam = features[order], spam[order]

    weights, rate = np.zeros(features.shape[1]), settings["optimizer"]["rate"]
    for epoch in range(1, epochs + 1):
        weights = step(features[:150], spam[:150], weights, rate)
        rate *= settings["optimizer"]["decay"]
        found = loss(features[150:], spam[150:], weights), accuracy(features[150:], spam[150:], weights)
        print("Epoch {}/{} - loss: {:.4f} - accuracy: {:.4f}".format(epoch, epochs, *found), flush=True)
    np.savez(out, weights=weights)


train()
