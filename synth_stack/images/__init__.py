"""Images: files of strangers decoded within bounds, and what rows say of the images beside them."""
