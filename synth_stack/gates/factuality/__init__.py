"""The gate `factuality`: whether an answer is true to its sources."""
