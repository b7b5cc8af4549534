"""People, sign-in and keys."""
