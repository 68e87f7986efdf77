"""Outside data, checked strictly: recipes, gate files, seeds, somebody else's rows."""
