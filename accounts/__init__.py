"""Who: people of a tenant, their roles and their API keys."""
