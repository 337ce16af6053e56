"""From labelled photos to a checkpoint, a contract and the figures that belong to them."""
