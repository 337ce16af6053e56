"""Measurements side by side: this service, the plain FastAPI service it replaces, and what the machine could do."""
