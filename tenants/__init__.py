"""Where: one PostgreSQL schema for each organisation. Knows no user and no chat."""
