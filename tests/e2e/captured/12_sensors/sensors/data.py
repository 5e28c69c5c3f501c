"""The readings, out of their database."""

import sqlite3


def load(path):
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT heat, hum, failed FROM readings ORDER BY rowid").fetchall()
    connection.close()
    return [row[:2] for row in rows], [row[2] for row in rows]
