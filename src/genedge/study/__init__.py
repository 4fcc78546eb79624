"""Comparisons: evaluating policies on the same slots, intervals, figures."""
