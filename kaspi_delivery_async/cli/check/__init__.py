"""The ``kaspi-delivery check`` command."""
