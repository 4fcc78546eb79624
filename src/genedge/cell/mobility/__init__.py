"""Mobility by name: where users are, one file each.

A mobility is a named tuple of numbers with the methods of `Mobility` or, where users move from slot to slot, of
`LastingMobility`, both in `genedge.cell.types`. Its type chooses the code that is compiled; its numbers are traced.
"""
