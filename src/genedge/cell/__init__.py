"""Section II of the paper as pure functions on arrays, one module a subsection."""
