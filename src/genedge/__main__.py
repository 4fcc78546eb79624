"""`python -m genedge`."""

from genedge.cli import main

main()
