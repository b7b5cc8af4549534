"""The API's agents, providers and models."""
