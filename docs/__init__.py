"""The reference pages, and what writes the generated part of the README."""
