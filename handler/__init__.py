"""The code in the model archive: one class for TorchServe and the steps around the network.

This is a leaf package. It imports nothing else of this repository, and all its imports are absolute. Therefore the same
code works in the repository, in the tests and inside the ``.mar``. Training and export share it with the archive: no
worker uses ``activation_ranges``, ``offline``, ``checkpoint.save`` and ``network.fused``.
"""
