"""A Django application whose only part is the migration that makes the outbox's tables.

Add ``"kaspi_delivery_async.outbox.django_app"`` to ``INSTALLED_APPS``.
"""
