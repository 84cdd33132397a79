"""The ``kaspi-delivery demo`` command."""
