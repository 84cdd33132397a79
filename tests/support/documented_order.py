"""The order of the vendor's Getting started page, read from ``order.json``, which the benchmarks read as well."""

import json
from pathlib import Path
from typing import Any

DOCUMENTED_ORDER: dict[str, Any] = json.loads(Path(__file__).with_name("order.json").read_text(encoding="utf-8"))
