"""The sandbox serves what the API's description lists, each operation by the same method and path."""

import re

from kaspi_delivery_async._generated import operations
from kaspi_delivery_async._operation_spec import OperationSpec
from kaspi_delivery_async.sandbox.routes import ROUTES, route_of

SPECS = [spec for spec in vars(operations).values() if isinstance(spec, OperationSpec)]


def test_the_routes_are_the_described_operations() -> None:
    assert {(spec.method, spec.path, spec.takes_key) for spec in SPECS} == {
        (route.method, route.path, route.keyed) for route in ROUTES
    }


def test_each_described_path_leads_to_its_operation() -> None:
    for spec in SPECS:
        path = re.sub(r"{\w+}", "dlv_1", spec.path)
        route = route_of(spec.method, tuple(path.split("/")[1:]))
        assert route is not None
        assert (route.method, route.path) == (spec.method, spec.path)


def test_another_method_or_path_leads_nowhere() -> None:
    assert route_of("DELETE", ("v1", "deliveries")) is None
    assert route_of("POST", ("v1", "deliveries", "dlv_1", "cancel", "")) is None
    assert route_of("GET", ("v1", "nothing")) is None
