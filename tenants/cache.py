"""Cache keys carry the tenant's schema (setting CACHES.KEY_FUNCTION)."""

from tenants.db import scope


def make_key(key: str, key_prefix: str, version: int) -> str:
    """Raises NoTenantError without a tenant: a shared key would be a leak."""
    return f"{scope().schema_name}:{key_prefix}:{version}:{key}"
