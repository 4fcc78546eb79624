"""A family of small diffusion models that ship with the package, each trained on another kind of image."""
