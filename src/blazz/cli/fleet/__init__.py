"""`blazz up --instances N`: the parent of all roles on one machine, with the database and Valkey that they share."""
