"""A turn while it runs: engine events → the turn's log → readers and the saved reply.
Knows no HTTP."""
