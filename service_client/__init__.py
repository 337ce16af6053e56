"""The typed client of the classification service, shared by the batch client and the web desk."""
