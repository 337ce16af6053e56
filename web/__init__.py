"""The web desk: review queue, runs, statistics, search, an upload page and a prediction API for other programs."""
