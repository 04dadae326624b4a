"""The admin room: what those who run the installation see and steer. No workspace's messages are reachable here."""
