"""Settings: fields with units, where numbers come from, the one reader of YAML, and errors in words."""
