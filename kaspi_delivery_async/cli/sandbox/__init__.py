"""Commands around the local sandbox: to serve one, and to control one that runs."""
