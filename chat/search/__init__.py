"""Search in conversations: terms (what was asked), finding (where it stands), snippets
(how a hit is shown). Its migration has the columns and functions in PostgreSQL."""
