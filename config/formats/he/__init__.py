"""As Django's, but for figures."""
