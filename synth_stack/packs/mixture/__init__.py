"""Several packs in one folder, whole and under one more signature; each is verified as a pack."""
