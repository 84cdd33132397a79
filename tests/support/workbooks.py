"""Excel workbooks, written part by part: a test says what stands in them, odd as it may be."""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

Cell = str | int | float | bool | None
Rows = Iterable[Sequence[Cell]]

NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"

STYLES = (
    f'<styleSheet xmlns="{NAMESPACE}"><numFmts><numFmt numFmtId="164" formatCode="DD.MM.YYYY HH:MM"/>'
    '<numFmt numFmtId="165" formatCode="000000"/><numFmt numFmtId="166" formatCode="# ##0&quot; ₸&quot;"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs><xf/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/></cellXfs>'
    "</styleSheet>"
)
"""Styles 1 and 2 are dates, 3 fills up with zeros to six digits, 4 is money."""


def letters(column: int) -> str:
    """The letters of a column, from 0."""
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


def cell_xml(reference: str, value: Cell, strings: list[str] | None = None) -> str:
    """A cell; a text that begins with ``<`` is the cell's own XML."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{reference}" t="b"><v>{value:d}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{reference}"><v>{value!r}</v></c>'
    if value.startswith("<"):
        return value.replace("<c", f'<c r="{reference}"', 1)
    if strings is None:
        return f'<c r="{reference}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    strings.append(value)
    return f'<c r="{reference}" t="s"><v>{len(strings) - 1}</v></c>'


def sheet_xml(rows: Rows, *, merged: Iterable[str] = (), strings: list[str] | None = None) -> str:
    """A sheet, beginning in A1."""
    lines: list[str] = []
    for number, row in enumerate(rows, start=1):
        content = "".join(cell_xml(f"{letters(column)}{number}", cell, strings) for column, cell in enumerate(row))
        lines.append(f'<row r="{number}">{content}</row>')
    cells = "".join(f'<mergeCell ref="{reference}"/>' for reference in merged)
    body = f"<sheetData>{''.join(lines)}</sheetData><mergeCells>{cells}</mergeCells>"
    return f'<worksheet xmlns="{NAMESPACE}">{body}</worksheet>'


def write_workbook(
    path: Path,
    rows: Rows | Mapping[str, str],
    *,
    merged: Iterable[str] = (),
    is_shared: bool = False,
    workbook: str = "",
    hidden: Iterable[str] = (),
    parts: Mapping[str, str | bytes | None] | None = None,
) -> Path:
    """Write a workbook with one sheet of rows, or with the XML of several sheets by their names.

    ``parts`` adds parts, replaces them, or leaves them out.
    """
    strings: list[str] | None = [] if is_shared else None
    sheets = rows if isinstance(rows, Mapping) else {"Заказы": sheet_xml(rows, merged=merged, strings=strings)}
    states = dict.fromkeys(hidden, "hidden")
    entries = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}" state="{states.get(name, "visible")}"/>'
        for number, name in enumerate(sheets, start=1)
    )
    targets = {f"rId{number}": ("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(sheets) + 1)}
    targets |= {"rId100": ("styles", "styles.xml"), "rId101": ("sharedStrings", "/xl/sharedStrings.xml")}
    relations = "".join(
        f'<Relationship Id="{name}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    content: dict[str, str | bytes | None] = {
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1" Type="{RELATIONS}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{NAMESPACE}" xmlns:r="{RELATIONS}">{workbook}<sheets>{entries}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">{relations}</Relationships>',
        "xl/styles.xml": STYLES,
    }
    for number, sheet in enumerate(sheets.values(), start=1):
        content[f"xl/worksheets/sheet{number}.xml"] = sheet
    if strings is not None:
        items = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
        content["xl/sharedStrings.xml"] = f'<sst xmlns="{NAMESPACE}">{items}</sst>'
    content |= parts or {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            if text is not None:
                archive.writestr(name, text)
    return path
