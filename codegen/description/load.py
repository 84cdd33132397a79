"""Makes a description ready for the generator: read, overlaid, bundled, checked, each schema named."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from codegen.description import overlay as overlays
from codegen.description.bundle import bundle
from codegen.description.naming import named
from codegen.description.read import is_url, read
from codegen.description.validate import check_form, check_version
from codegen.documents import CodegenError, Object
from codegen.preparation.prepare import prepared


def load(source: str, *, overlay: str | None = None, allow_remote: bool = False) -> Object:
    """Return the description at a path or URL with local references only and every schema under a name.

    Raises CodegenError for anything of which no faithful models can be made, and as `load_whole` does.
    """
    document = load_whole(source, overlay=overlay, allow_remote=allow_remote)
    with _naming(source):
        check_form(document)
        return prepared(named(document))


def load_whole(source: str, *, overlay: str | None = None, allow_remote: bool = False) -> Object:
    """Return the description at a path or URL with local references only.

    `overlay` is the path or URL of an overlay to apply first; `allow_remote` follows references to other documents.
    Raises CodegenError for what is no OpenAPI 3.1, an overlay that does not fit, or a reference that leads nowhere.
    """
    document = read(source)
    with _naming(source):
        check_version(document)
        if overlay is not None:
            document = overlays.apply(read(overlay), document)
        base = source if is_url(source) else Path(source).resolve().as_uri()
        return bundle(document, base=base, read=_read_uri, allow_remote=allow_remote)


@contextmanager
def _naming(source: str) -> Iterator[None]:
    """Name the file in an error about what it says."""
    try:
        yield
    except CodegenError as error:
        raise CodegenError(f"{source} cannot be used.\n{error}") from error
    except RecursionError as error:
        raise CodegenError(
            f"{source} cannot be used: it is nested too deeply at some place. Give its inner parts names of their own."
        ) from error


def _read_uri(uri: str) -> Object:
    return read(url2pathname(urlsplit(uri).path) if uri.startswith("file:") else uri)
