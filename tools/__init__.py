"""Programs that build and check the repository. They never run inside the product."""
