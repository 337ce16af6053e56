"""Entry point of ``python -m export``."""

from export.cli import app

if __name__ == "__main__":
    app()
