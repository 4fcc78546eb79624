"""Every picture: they only read what was computed elsewhere."""
