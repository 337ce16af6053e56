"""Entry point of ``python -m batch_client``."""

from batch_client.cli import app

if __name__ == "__main__":
    app()
