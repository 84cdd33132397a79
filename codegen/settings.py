"""Where things are and how the models are made: every option of the generator, in one place."""

from pathlib import Path
from typing import Any, Final

from datamodel_code_generator.enums import DataModelType, InputFileType, OpenAPIScope
from datamodel_code_generator.format import DatetimeClassType, PythonVersion

ROOT: Final = Path(__file__).resolve().parent.parent
DESCRIPTION: Final = ROOT / "openapi" / "kaspi-delivery.yaml"
PACKAGE: Final = ROOT / "kaspi_delivery_async"
MODELS: Final = PACKAGE / "_generated" / "models.py"
OPERATIONS: Final = PACKAGE / "_generated" / "operations.py"


def header(docstring: str) -> str:
    """Return the first lines of a generated module."""
    return f'# Generated from the API description by `python -m codegen`; do not edit.\n"""{docstring}"""'


GENERATOR: Final[dict[str, Any]] = {
    "input_file_type": InputFileType.OpenAPI,
    "openapi_scopes": [OpenAPIScope.Schemas],
    # It writes no attrs classes of its own: dataclasses come closest, and the templates write attrs.
    "output_model_type": DataModelType.DataclassesDataclass,
    "custom_template_dir": ROOT / "codegen" / "rendering" / "templates",
    # What the templates write by `x-hint` and `x-base`; what a module does not need is taken out again.
    "additional_imports": [
        "attrs",
        "datetime.date",
        "datetime.datetime",
        "decimal.Decimal",
        "enum.Enum",
        "enum.IntEnum",
        "enum.StrEnum",
        "kaspi_delivery_async._open_enum.OpenEnum",
        "typing.Any",
        "typing.Literal",
        "typing.TypeAlias",
    ],
    "target_python_version": PythonVersion.PY_311,
    "output_datetime_class": DatetimeClassType.Datetime,
    "use_union_operator": True,
    "use_specialized_enum": False,
    "use_schema_description": True,
    "use_field_description": True,
    "field_extra_keys": {"x-additional", "x-hint", "x-personal", "x-read-only", "x-wire"},
    "frozen_dataclasses": True,
    "keyword_only": True,
    # The same input gives the same text: in the order of the description, without times and paths.
    "custom_file_header": header("Models of the Kaspi Delivery API."),
    "disable_timestamp": True,
    # One module, whatever the names of the schemas.
    "treat_dot_as_module": False,
    "allow_remote_refs": False,
    "formatters": [],
}

RUFF: Final = (
    ("check", "--quiet", "--fix-only", "--select=F401,I"),
    ("format", "--quiet"),
)
