"""Reads YAML or JSON documents from files and URLs into plain data."""

import asyncio
import io
import json
from pathlib import Path

import aiohttp
import yaml
from jsonschema_path.handlers import FileHandler

from codegen.documents import CodegenError, Object

TIMEOUT = 30.0
"""Seconds for one document from the network, all in all."""


def is_url(source: str) -> bool:
    """Tell whether a source is to be read from the network."""
    return source.startswith(("https://", "http://"))


def read(source: str) -> Object:
    """Read the document at a path or an http(s) URL; raise CodegenError if it cannot be read or is no mapping."""
    try:
        text = asyncio.run(_fetch(source)) if is_url(source) else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CodegenError(
            f"{source} cannot be read: {error or type(error).__name__}. Give the path or URL of a YAML or JSON file."
        ) from error
    try:
        # YAML reads JSON too, but slowly. The handler's YAML knows no timestamps: JSON has none.
        document = json.loads(text) if text.lstrip().startswith("{") else FileHandler()(io.StringIO(text))
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise CodegenError(f"{source} is neither YAML nor JSON: {' '.join(str(error).split())}. Correct it.") from error
    if not isinstance(document, dict):
        raise CodegenError(f"{source} holds {type(document).__name__}, not a mapping. Give an OpenAPI description.")
    return document


async def _fetch(url: str) -> str:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session, session.get(url) as response:
        return await response.text(encoding="utf-8")
