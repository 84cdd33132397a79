"""The state of a sandbox: deliveries, keys, logs, and the file that keeps them."""
