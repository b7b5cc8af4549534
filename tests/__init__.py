"""The whole suite; `provider.py` is the stand-in for a model provider."""
