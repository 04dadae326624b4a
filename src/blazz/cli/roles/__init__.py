"""One role per process: `blazz gateway`, `blazz instance`, `blazz worker`."""
