"""The server's side of the simulated network: connections, login, linking, queries, routing, and the durable state."""
