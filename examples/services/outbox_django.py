"""Django under a WSGI server: an order and its courier in one `transaction.atomic()`.

    python -m outbox_django 8000
    KASPI_OUTBOX=shop.sqlite kaspi-delivery outbox relay

The relay is a process of its own. A project of yours has settings, models, views and URLs in files of their own, and
serves by gunicorn or uWSGI; here they are in one.
"""

import json
import os
import sys
from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from kaspi_delivery_async import DeliveryRequest, InvalidRequestError, OutboxConflictError
from kaspi_delivery_async.models import from_dict
from kaspi_delivery_async.outbox import DeliveryOutbox

FILE = os.environ.get("KASPI_OUTBOX", "shop.sqlite")
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FILE}},
    INSTALLED_APPS=["kaspi_delivery_async.outbox.django_app"],
    LOGGING_CONFIG=None,
    ROOT_URLCONF=__name__,
    SECRET_KEY="of-your-project",
)
django.setup()
outbox = DeliveryOutbox(FILE, create_tables=False)


@csrf_exempt
@require_POST
def create_order(request: HttpRequest) -> JsonResponse:
    """Take an order: with its courier, or not at all."""
    try:
        with transaction.atomic():
            order = from_dict(DeliveryRequest, json.loads(request.body))
            with connection.cursor() as cursor:  # a project of yours has a model
                cursor.execute("INSERT INTO orders VALUES (%s)", [order.external_order_id])
            entry = outbox.enqueue_sync(connection, order)
    except (InvalidRequestError, OutboxConflictError) as error:
        return JsonResponse({"error": str(error)}, status=422)
    return JsonResponse({"order": entry.order_id, "state": entry.state}, status=202)


urlpatterns = [path("orders", create_order)]
application = get_wsgi_application()

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY)")
    connection.close()
    with make_server("127.0.0.1", int(sys.argv[1]), application) as server:
        server.serve_forever()
