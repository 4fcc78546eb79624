"""Request traces replayed through an edge server: which models stay in memory when loading them takes time."""
