"""The database engine that follows the tenant (`ENGINE = "tenants.postgresql"`)."""
