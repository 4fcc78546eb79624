"""Torch, which only this room needs; where it is not installed, one line says how to get it."""

from genedge.errors import InputError

try:
    import torch as torch
except ModuleNotFoundError:
    raise InputError('diffusion models need PyTorch; install it with: pip install "genedge[diffusion]"') from None
