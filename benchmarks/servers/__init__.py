"""The servers that contestants call."""
