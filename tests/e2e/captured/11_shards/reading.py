"""A shard of errors, in thousandths."""

import csv


def errors(path):
    with open(path, newline="") as file:
        return [int(row["error"]) for row in csv.DictReader(file)]


def total(path):
    return sum(errors(path))


def largest(path):
    return max(errors(path))
