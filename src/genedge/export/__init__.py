"""Trained actors for machines that have neither JAX nor this package."""
