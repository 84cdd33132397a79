"""The command that describes an installation for a report of a fault."""
