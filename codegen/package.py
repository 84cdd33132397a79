"""What the generator writes in the package: two generated modules, and what follows from them in hand-written ones."""

from pathlib import Path

from codegen import settings
from codegen.documents import Object
from codegen.handwritten.coroutines import with_coroutines
from codegen.handwritten.imports import class_names, with_exports, with_imports
from codegen.rendering.models import formatted, render
from codegen.rendering.operations import render_operations

GENERATED_MODELS = "kaspi_delivery_async._generated.models"
EXPORTS = settings.PACKAGE / "models.py"
FUNCTIONS = settings.PACKAGE / "operations.py"
CLIENT = settings.PACKAGE / "client.py"


def wanted(description: Object) -> dict[Path, str]:
    """Return what each file that the generator writes should hold; raises CodegenError as the renderers do."""
    models = render(description)
    files = {settings.MODELS: models, settings.OPERATIONS: render_operations(description)}
    present = class_names(_text(settings.MODELS)) if settings.MODELS.exists() else []
    names = class_names(models)
    functions = with_imports(_text(FUNCTIONS), names)
    changed = {
        EXPORTS: with_exports(_text(EXPORTS), GENERATED_MODELS, present, names),
        FUNCTIONS: functions,
        CLIENT: with_imports(with_coroutines(_text(CLIENT), functions), names),
    }
    for path, text in changed.items():
        files[path] = text if text == _text(path) else formatted(text)
    return files


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
