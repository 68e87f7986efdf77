"""What an audit says of a judged data set: figures, what to do about them, statement and check."""
