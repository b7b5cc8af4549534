"""The isolation of tenants."""
