"""The simulated network against what others wrote: whatsmeow's own functions, and Baileys as a whole client."""
