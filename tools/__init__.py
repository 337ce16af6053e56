"""What builds and maintains the project; nothing of it is needed to run the service."""
