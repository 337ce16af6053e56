"""Posts folders of photos to the service and stores what it answers. Knows the service by HTTP alone."""
