"""Starts, watches and stops TorchServe, whose own launcher handles no signals and calls an empty server healthy."""
