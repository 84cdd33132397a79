"""Error texts in a response: traces and messages of a program, which help an attacker and nobody else."""

import re

_PATTERNS = (
    ("a Python traceback", rb'Traceback \(most recent call last\)|File "[^"\r\n]+", line \d+'),
    ("a JavaScript stack", rb"\bat (?:[^\r\n()]{1,200} \()?(?:file://)?[^\s()]{1,300}\.[cm]?[jt]sx?:\d+:\d+"),
    ("a Java stack", rb"\bat [\w$.]{1,200}\([\w$]+\.(?:java|kt|scala):\d+\)"),
    ("a Go stack", rb"goroutine \d+ \[|\.go:\d+ \+0x"),
    ("a PHP error", rb"\.php(?:\(\d+\)|:\d+| on line \d)"),
    ("a Ruby stack", rb"\.rb:\d+:in "),
    ("a database error", rb"SQLSTATE|ORA-\d{5}|\b(?:asyncpg|psycopg2?|sqlalchemy|sqlite3)\.\w|constraint failed"),
    ("a page of a debugger", rb"Werkzeug Debugger|You.{1,6}re seeing this error because you have|Whoops, looks like"),
    ("the text of an exception", rb"\b[A-Z]\w{0,60}(?:Error|Exception)\b\s?[:(]"),
)
_COMPILED = tuple((name, re.compile(pattern)) for name, pattern in _PATTERNS)


def leak(body: bytes, *, secret: str, signature: str) -> str | None:
    """Name what a response gives away, None if nothing; ``signature`` is the one that the message should have had."""
    if secret.encode() in body:
        return "the signing secret"
    if signature.encode() in body.lower():
        return "the signature that it expected, with which anyone can sign"
    return next((name for name, pattern in _COMPILED if pattern.search(body)), None)
