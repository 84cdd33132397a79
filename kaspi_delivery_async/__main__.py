"""``python -m kaspi_delivery_async`` is ``kaspi-delivery``."""

import sys

from kaspi_delivery_async.cli import main

sys.exit(main())
