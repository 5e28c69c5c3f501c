"""What was seen of a run, added up: from the events of its processes to the words of the domain."""
