"""Training: from a manifest of images to a folder with weights."""
