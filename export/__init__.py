"""From the checkpoint in ``model/`` to a verified model archive in ``model_store/``."""
