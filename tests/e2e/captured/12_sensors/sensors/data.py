"""The readings, out of their database."""

import sqlite3

import numpy as np


def load(path):
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT heat, hum, failed FROM readings ORDER BY rowid").fetchall()
    connection.close()
    table = np.array(rows)
    return table[:, :2], table[:, 2].astype(int)
