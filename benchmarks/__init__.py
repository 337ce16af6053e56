"""Side-by-side measurements: this service, the plain FastAPI service that it replaces, and the limit of the machine."""
