"""Conversations as files: JSON, Markdown, HTML, PDF, and all of them in one zip."""
