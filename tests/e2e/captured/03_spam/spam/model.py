"""A logistic regression by hand."""

import numpy as np


def probabilities(features, weights):
    return 1 / (1 + np.exp(-features @ weights))


def step(features, spam, weights, rate):
    return weights - rate * features.T @ (probabilities(features, weights) - spam) / len(spam)


def loss(features, spam, weights):
    p = probabilities(features, weights).clip(1e-9, 1 - 1e-9)
    return float(-np.mean(spam * np.log(p) + (1 - spam) * np.log(1 - p)))


def accuracy(features, spam, weights):
    return float(np.mean((probabilities(features, weights) > 0.5) == spam))
