"""The storage beneath session stores: what it is, whether it can be trusted, and how large the stores on it are."""
