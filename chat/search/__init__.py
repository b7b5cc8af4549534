"""Search in conversations: terms (what was asked), finding (where it stands), snippets
(how a hit is shown). Migration 0004 has the columns and functions in PostgreSQL."""
