"""The commands for single deliveries: create, get, cancel, watch."""
