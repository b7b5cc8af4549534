"""HTML into PDF. Whoever has something to print stands above it."""
