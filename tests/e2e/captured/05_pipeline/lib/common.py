"""What the three steps share."""

COLUMNS = ["a", "b", "c"]
