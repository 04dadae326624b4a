"""What tests of several rooms share: the simulated network, a running instance, waiting for conditions."""
