"""Exports, imports and coroutines of hand-written modules follow from the description, and are written as well."""

import ast

from codegen import settings
from codegen.handwritten.coroutines import with_coroutines
from codegen.handwritten.imports import class_names, with_exports, with_imports

MODULE = '''\
"""Models."""

from kaspi_delivery_async._generated.models import (
    Gone,
    Kept,
)

__all__ = [
    "Gone",
    "Kept",
    "from_dict",
]
'''
CLIENT = '''\
from kaspi_delivery_async.models import Kept


class DeliveryClient:
    async def get(self, one: str) -> Kept:
        """Get it."""
        return await self._engine.value(operations.get(one))

    async def wait(self) -> Kept:
        """Wait."""
'''
FUNCTIONS = '''\
def get(one: str, *, more: bool = False) -> Operation[Kept]:
    """Fetch."""


def list_all(limit: int | None = None) -> Operation[New]:
    """List all,

    in pages.
    """


def ping() -> Operation[Kept]:
    pass


def _own() -> None:
    pass
'''


def test_models_are_exported_as_they_are_generated() -> None:
    exported = with_exports(MODULE, "kaspi_delivery_async._generated.models", ["Gone", "Kept"], ["New", "Kept"])
    assert exported == MODULE.replace("    Gone,\n    Kept,", "    Kept,\n    New,").replace(
        '    "Gone",\n    "Kept",', '    "Kept",\n    "New",'
    )


def test_models_that_a_module_uses_are_imported() -> None:
    source = "from kaspi_delivery_async.models import Kept\n\nx: New = Kept()\n"
    assert with_imports(source, ["Kept", "New", "Other"]) == (
        "from kaspi_delivery_async.models import (\n    Kept,\n    New,\n)\n\nx: New = Kept()\n"
    )
    assert with_imports(source, ["Kept"]) == source


def test_the_client_has_a_coroutine_for_each_function_with_its_arguments() -> None:
    written = with_coroutines(CLIENT, FUNCTIONS)
    ast.parse(written)
    assert written == CLIENT.replace("one: str)", "one: str, *, more: bool=False)").replace(
        "operations.get(one))\n",
        '''operations.get(one, more=more))

    async def list_all(self, limit: int | None=None) -> New:
        """List all,

        in pages.
        """
        return await self._engine.value(operations.list_all(limit))

    async def ping(self) -> Kept:
        """Send `ping`."""
        return await self._engine.value(operations.ping())
''',
    )
    assert with_coroutines(written, FUNCTIONS) == written


def test_the_classes_of_a_module_are_those_that_it_defines() -> None:
    names = class_names(settings.MODELS.read_text(encoding="utf-8"))
    assert names[:2] == ["Contact", "Location"]
    assert not {"attrs", "datetime", "OpenEnum"} & set(names)
