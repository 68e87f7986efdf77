"""Whether generated images follow what steered them: edges, blurred images, depth maps."""
