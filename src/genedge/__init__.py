"""Joint model caching and resource allocation for generative AI at the wireless edge."""
