"""Reads YAML or JSON documents from files and URLs into plain data."""

import asyncio
import json
from pathlib import Path

import aiohttp
import yaml

from codegen.description.yaml_core import load_yaml
from codegen.documents import CodegenError, Json, Object

TIMEOUT = 30.0
"""Seconds for one document from the network, all in all."""


def is_url(source: str) -> bool:
    """Whether a source is to be read from the network."""
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
        document = _parse(text)
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise CodegenError(f"{source} is neither YAML nor JSON: {' '.join(str(error).split())}. Correct it.") from error
    if not isinstance(document, dict):
        raise CodegenError(f"{source} holds {type(document).__name__}, not a mapping. Give an OpenAPI description.")
    return document


def _parse(text: str) -> Json:
    # YAML reads JSON too, but slowly; what only looks like JSON may still be YAML.
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text, object_pairs_hook=_without_duplicates)
        except json.JSONDecodeError:
            pass
    # Written out, each alias is a part of its own: parts are changed one by one.
    return json.loads(json.dumps(load_yaml(text)))


def _without_duplicates(pairs: list[tuple[str, Json]]) -> Object:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return document


async def _fetch(url: str) -> str:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session, session.get(url) as response:
        return await response.text(encoding="utf-8")
