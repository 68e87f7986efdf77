"""datatrove's own filters of web text as a gate."""
