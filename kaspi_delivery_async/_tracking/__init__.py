"""FOLLOWING ONE DELIVERY: events of a hub, polls, and the order of what they bring. No network of its own."""
