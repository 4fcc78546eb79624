"""Models by name, and nothing else: what each takes, and where each number comes from."""
