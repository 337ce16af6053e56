"""The connection to the service that its clients share. What an answer means is each client's own business."""
