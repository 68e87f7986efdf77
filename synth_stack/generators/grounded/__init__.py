"""Grounded pairs: a question in the teacher's words, answered by cited sentences of the topic's section."""
