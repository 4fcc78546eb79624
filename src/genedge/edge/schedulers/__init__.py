"""Schedulers of two parts: an order says which request is next, an eviction what is given up for its model."""
