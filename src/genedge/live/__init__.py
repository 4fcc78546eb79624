"""A box that serves: real workers on the wall clock, under the very schedulers that are simulated."""
