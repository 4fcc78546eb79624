"""Channels by name: how strong a user is received, one file each.

A channel is a named tuple of numbers with the methods of `Channel` or, where something lasts from slot to slot, of
`LastingChannel`, both in `genedge.cell.types`. Its type chooses the code that is compiled; its numbers are traced.
"""
