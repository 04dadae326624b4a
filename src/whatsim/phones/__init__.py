"""The simulated phones (device 0 of each number): what they decrypt, show, answer and send."""
