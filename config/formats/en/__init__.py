"""English of no country in particular."""
