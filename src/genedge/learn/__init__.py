"""Agents that learn to decide, and the folders their runs live in."""
