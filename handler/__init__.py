"""What the model archive carries: one TorchServe class and the steps around the network.

A leaf package: it imports nothing else of this repository, and every import inside is absolute, so one
spelling works in the repository, in the tests and inside the ``.mar``.
"""
