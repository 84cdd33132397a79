"""`mapping.toml`: what it may hold, and what is said about what it may not."""

from pathlib import Path

import pytest

from kaspi_delivery_async import ConfigurationError
from kaspi_delivery_async.order_files import read_orders
from kaspi_delivery_async.order_files.mapping.definition.loading import PRESETS, load_mapping

GOOD = """
[columns]
externalOrderId = "Номер"
dropoff.address = ["Город", "Адрес"]
"dropoff.contact.name" = "Имя"
"dropoff.contact.phone" = { first = ["Телефон", "Тел."] }
"parcel.value_kzt" = "Сумма"

[constants]
"pickup.address" = "Абая 1"
"pickup.contact.name" = "Склад"
"pickup.contact.phone" = "+7 727 000 0000"
"parcel.description" = "Товары"
"parcel.weightGrams" = 500
"""


def refusal(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        read_orders("orders.csv", mapping=path)
    return str(refused.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mapping.toml"


def test_fields_may_be_spelled_as_in_a_file_of_orders_and_need_no_quotes(file: Path) -> None:
    file.write_text("\ufeff" + GOOD)
    mapping = load_mapping(file)
    assert mapping.columns["dropoff.address"].names == ("Город", "Адрес")
    assert mapping.columns["parcel.valueKzt"].names == ("Сумма",)
    assert mapping.constants["parcel.weightGrams"] == "500"
    assert load_mapping(mapping) is mapping


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_mapping_but_for_what_only_the_shop_knows(preset: str) -> None:
    with pytest.raises(ConfigurationError, match=r"these fields have no column.*pickup.address") as refused:
        load_mapping({}, preset=preset)
    assert ("parcel.weightGrams" in str(refused.value)) == (preset == "shopify")


@pytest.mark.parametrize(
    ("added", "named"),
    [
        ('preset = "magento"', "mapping.toml, line 1, preset: is 'magento'; it must be one of kaspi-cabinet, insales"),
        ("colums = 1", "mapping.toml, line 1, colums: is unknown; known are columns, constants"),
        ("file = 1", "mapping.toml, line 1, file: must be a table: write [file] above its keys"),
        ("skip = 1", "mapping.toml, line 1, skip: must be an array of tables: write [[skip]] above its column"),
        (
            '[units]\n"parcel.weightGrams" = "lb"',
            "line 2, units.\"parcel.weightGrams\": is 'lb'; it must be one of kg, g",
        ),
        ('[units]\n"parcel.valueKzt" = "kg"', 'line 2, units."parcel.valueKzt": takes only parcel.weightGrams'),
        (
            '[rounding]\n"parcel.valueKzt" = "even"',
            "line 2, rounding.\"parcel.valueKzt\": is 'even'; it must be one of up",
        ),
        (
            '[defaults]\nparcel.weight = "500"',
            "line 2, defaults.parcel.weight: 'parcel.weight' is no field of an order",
        ),
        ('[defaults]\n"dropoff.notes" = ""', 'line 2, defaults."dropoff.notes": must be a text in quotes'),
        ('[defaults]\n"parcel.weightGrams" = "half"', 'line 2, defaults."parcel.weightGrams": expected a whole number'),
        ('[[skip]]\ncolumn = "Статус"', "line 1, skip.0: needs one of: values, pattern, filled = true"),
        ('[[skip]]\nvalues = ["x"]', "line 1, skip.0.column: must be a list of texts"),
        ('[[skip]]\ncolumn = "a"\nvalues = []', "line 3, skip.0.values: must be a list of texts"),
        (
            '[[keep]]\ncolumn = "a"\nfilled = true\n[[keep]]\ncolumn = "a"\npattern = "("',
            "line 6, keep.1.pattern: is no regular expression: missing )",
        ),
        ('[[keep]]\ncolumn = "a"\nfilled = 1', "line 3, keep.0.filled: must be true or false"),
        ('[[keep]]\ncolumn = "a"\nvalue = "b"', "line 3, keep.0.value: is unknown; known are column, filled"),
        (
            '[group]\nby = "Номер"\nonce = ["dropoff.notes"]',
            "line 3, group.once: 'dropoff.notes' is no number of an order",
        ),
        ('[group]\nonce = ["parcel.valueKzt"]', "line 1, group.by: must be a text in quotes"),
        (
            '[group]\nby = "a"\nonce = ["parcel.valueKzt"]\nsum = ["parcel.valueKzt"]',
            "line 4, group.sum: parcel.valueKzt is in `once`, too",
        ),
        ("[file]\nheading_row = 0", "line 2, file.heading_row: must be the number of a row, from 1"),
        ('[file]\ndelimiter = "|"', 'line 2, file.delimiter: must be ",", ";" or a tab'),
        ('[file]\nencoding = "klingon"', "line 2, file.encoding: encoding 'klingon' is unknown"),
        ('[phones]\ncountry = "Kazakhstan"', "line 2, phones.country: must be the two letters of a country"),
        ("[ids]\nallow_look_alikes = 1", "line 2, ids.allow_look_alikes: must be true or false"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_key(file: Path, added: str, named: str) -> None:
    assert named in refusal(file, f"{added}\n{GOOD}")


@pytest.mark.parametrize(
    ("line", "instead", "named"),
    [
        (
            'externalOrderId = "Номер"',
            "",
            "mapping.toml: these fields have no column, constant or default: externalOrderId",
        ),
        (
            'externalOrderId = "Номер"',
            "externalOrderId = 1",
            "line 3, columns.externalOrderId: must be the name of a column",
        ),
        (
            'externalOrderId = "Номер"',
            'externalOrderId = ""',
            "line 3, columns.externalOrderId: must be a text in quotes",
        ),
        ('["Город", "Адрес"]', "[]", 'line 4, columns."dropoff.address": must be a list of names'),
        ('["Город", "Адрес"]', '{ join = ";" }', 'columns."dropoff.address": needs one of: column, columns, first'),
        ('["Город", "Адрес"]', '{ columns = ["a"], join = 1 }', 'columns."dropoff.address".join: must be a text'),
        ('["Город", "Адрес"]', '{ columns = "a" }', 'columns."dropoff.address".columns: must be a list of names'),
        ('["Город", "Адрес"]', '{ column = "a", pattern = "[" }', "pattern: is no regular expression"),
        ('"Сумма"', '"Сумма"\nparcel.valueKzt = "Итого"', "line 8, columns.parcel.valueKzt: is parcel.valueKzt again"),
        ('"parcel.weightGrams"', '"parcel.valueKzt"', 'line 14, constants."parcel.valueKzt": is in [columns], too'),
        ('"+7 727 000 0000"', '"-"', 'line 12, constants."pickup.contact.phone": is no phone number'),
        ('"+7 727 000 0000"', "+7 727 000 0000", "is no TOML: "),
    ],
)
def test_what_a_field_may_not_be_is_named_too(file: Path, line: str, instead: str, named: str) -> None:
    assert named in refusal(file, GOOD.replace(line, instead))


def test_a_file_that_is_no_mapping_is_refused(file: Path) -> None:
    file.write_bytes("preset = 'тест'".encode("windows-1251"))
    with pytest.raises(ConfigurationError, match=r"mapping\.toml: is not UTF-8 text \(byte 11\); save it as UTF-8"):
        load_mapping(file)
    with pytest.raises(ConfigurationError, match=r"none\.toml: cannot be read: No such file"):
        load_mapping(file.with_name("none.toml"))
    assert "is longer than 1048576 bytes; is this a mapping?" in refusal(file, "#" * 2 * 1024 * 1024)


def test_a_line_inside_a_long_text_is_no_key(file: Path) -> None:
    text = '[[skip]]\ncolumn = "a"\npattern = """\n[ x = y\n[not a table\n"""\n[units]\n"parcel.weightGrams" = "lb"\n'
    assert "line 8, units" in refusal(file, text + GOOD)


def test_a_mapping_goes_with_tables_alone(file: Path) -> None:
    file.write_text(GOOD)
    with pytest.raises(ConfigurationError, match="a mapping is for tables"):
        read_orders("orders.csv", mapping=file, columns={"a": "b"})
    with pytest.raises(ConfigurationError, match="a mapping is for tables"):
        read_orders("orders.jsonl", mapping=file)


def test_values_are_checked_as_a_file_is(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="the mapping, skip: must be an array of tables"):
        load_mapping({"skip": 1})
    text = '[[skip]]\ncolumn = "a"\npattern = """\nnot a key = x\n"""\n[units]\n"parcel.weightGrams" = "lb"\n'
    assert "line 7, units" in refusal(file, text + GOOD)
