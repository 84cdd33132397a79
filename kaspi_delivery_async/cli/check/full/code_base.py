"""Secrets and unstable keys in a code base: reads the files that are in source control, and sends nothing."""

import ast
import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kaspi_delivery_async.cli.check.full.items import Evidence, bad, good

_LARGEST = 1024 * 1024  # bytes of a file that is read
_SHORTEST = 12  # characters of a key that is searched for; shorter ones are words, such as those of the local sandbox
_SHOWN = 3  # places that are named

_SETTING = re.compile(rb"""(?m)^\s*(?:export\s+|-\s*)?KASPI_(?:API_KEY|WEBHOOK_SECRET)\s*[:=]\s*["']?([^\s"'#]{8,})""")
_PLACEHOLDER = re.compile(r"[<${]|your|change|example|secret$|sandbox-|test|\.\.\.|xxx", re.IGNORECASE)
_UNSTABLE = {"uuid1", "uuid4", "token_hex", "token_urlsafe", "time", "time_ns", "now", "utcnow", "random", "randint"}
_KEYED = {"create_delivery", "cancel_delivery"}


async def tracked_files(root: Path) -> list[Path] | None:
    """Return the files that git tracks below a folder, None where there is no repository."""
    try:
        git = await asyncio.create_subprocess_exec(
            *("git", "-C", str(root), "ls-files", "-z"),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None
    listed, _ = await git.communicate()
    if git.returncode != 0:
        return None
    return [root / name for name in listed.decode(errors="surrogateescape").split("\0") if name]


def about_secrets(files: Iterable[Path], root: Path, secrets: Iterable[str]) -> Evidence:
    """Look for these secrets, and for settings of any, in files; never shows one."""
    wanted = [secret.encode() for secret in secrets if len(secret) >= _SHORTEST]
    places = [
        str(path.relative_to(root))
        for path, text in _texts(files)
        if any(secret in text for secret in wanted) or _sets_a_secret(text) or _has_a_literal_key(path, text)
    ]
    if places:
        return bad(f"a key or secret is in {_named(places)}; take it out, and make a new one")
    return good("no key or secret is in the files under source control")


def about_keys(files: Iterable[Path], root: Path) -> Evidence:
    """Look for idempotency keys and order ids that are new each time, with which a repeat orders a second courier."""
    places = [
        f"{path.relative_to(root)}:{line}"
        for path, text in _texts(files)
        if path.suffix == ".py"
        for line in _unstable_lines(text)
    ]
    if places:
        advice = "use the shop's own order id"
        return bad(f"an idempotency key or order id is a new one each time in {_named(places)}; {advice}")
    return good("no idempotency key or order id is random, or holds the time")


def _texts(files: Iterable[Path]) -> Iterator[tuple[Path, bytes]]:
    for path in files:
        try:
            if path.is_file() and path.stat().st_size <= _LARGEST:
                yield path, path.read_bytes()
        except OSError:
            continue  # what cannot be read here is not part of the code


def _sets_a_secret(text: bytes) -> bool:
    return any(not _is_placeholder(value.decode(errors="replace")) for value in _SETTING.findall(text))


def _has_a_literal_key(path: Path, text: bytes) -> bool:
    """Whether a client is made with a key that stands in the code."""
    calls = _calls(text) if path.suffix == ".py" and b"DeliveryClient" in text else ()
    keys = [
        value.value for call in calls if _name(call.func) == "DeliveryClient" for value in _keys_of(call)
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    ]  # fmt: skip
    return any(len(key) >= _SHORTEST and not _is_placeholder(key) for key in keys)


def _keys_of(call: ast.Call) -> list[ast.expr]:
    return [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "api_key")]


def _unstable_lines(text: bytes) -> Iterator[int]:
    is_concerned = b"external_order_id" in text or b"idempotency_key" in text
    for call in _calls(text) if is_concerned else ():
        name = "external_order_id" if _name(call.func) == "DeliveryRequest" else "idempotency_key"
        if name == "external_order_id" or _name(call.func) in _KEYED:
            for keyword in call.keywords:
                if keyword.arg == name and _is_unstable(keyword.value):
                    yield call.lineno


def _calls(text: bytes) -> list[ast.Call]:
    try:
        return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    except (SyntaxError, ValueError, RecursionError):
        return []  # of another Python, or none at all


def _is_unstable(value: ast.expr) -> bool:
    return any(isinstance(node, ast.Call) and _name(node.func) in _UNSTABLE for node in ast.walk(value))


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_placeholder(value: str) -> bool:
    return _PLACEHOLDER.search(value) is not None


def _named(places: list[str]) -> str:
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return ", ".join(places[:_SHOWN]) + more
