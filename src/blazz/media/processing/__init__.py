"""Making of files what WhatsApp and people need: done in a child process with bounds, for files come from strangers."""
