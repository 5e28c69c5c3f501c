"""Pure words and rules: no file, no clock, no terminal."""
