"""The one Django project of a test process: settings are configured once, whichever test comes first."""

import django  # type: ignore[import-untyped]
from django.conf import settings  # type: ignore[import-untyped]

URLS = "webhook_urls"
"""Name of the module with the project's URLs, which tests fill."""


def configure_django() -> None:
    """Configure the project, unless it is configured."""
    if not settings.configured:
        settings.configure(
            ROOT_URLCONF=URLS,
            ALLOWED_HOSTS=["127.0.0.1"],
            SECRET_KEY="for tests",
            LOGGING_CONFIG=None,
            INSTALLED_APPS=["kaspi_delivery_async.outbox.django_app"],
        )
        django.setup()
