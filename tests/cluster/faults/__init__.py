"""Proof under fire: real processes are killed, frozen and cut off while messages flow both ways."""
