"""All there is to know about `.mlruns/`."""
