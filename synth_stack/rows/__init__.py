"""The row, the verdict, the decision: their schemas, canonical bytes and digests."""
