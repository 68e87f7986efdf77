"""What a pack says of itself in the formats of others, from its lineage alone; the card is not here."""
