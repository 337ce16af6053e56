"""The web desk: the seed's prediction API, an upload page, the review desk, runs and search."""
