"""Measures real diffusion models: how their images get better with steps, and what a step takes."""
