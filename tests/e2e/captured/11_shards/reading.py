"""Shards of errors, in thousandths."""

import csv


def errors(path):
    with open(path, newline="") as file:
        return [int(row["error"]) for row in csv.DictReader(file)]


def total(paths):
    return sum(sum(errors(path)) for path in paths)


def largest(path):
    return max(errors(path))
