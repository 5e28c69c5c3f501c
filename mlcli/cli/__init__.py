"""Faces in the terminal: the only place that knows typer and rich."""
