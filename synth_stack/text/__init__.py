"""The one definition of words, n-grams, fields and spans that all gates share."""
