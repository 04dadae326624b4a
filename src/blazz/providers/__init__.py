"""Ways to carry messages: one small interface, and the linked-device protocol behind it."""
