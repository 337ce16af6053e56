"""Entry point of ``python -m web``."""

from web.cli import app

if __name__ == "__main__":
    app()
