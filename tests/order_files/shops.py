"""Exports as eight systems write them, each with the traits that make it hard to read, and the orders in them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from tests.support.workbooks import write_workbook

PICKUP: Mapping[str, str] = {
    "pickup.address": "Алматы, Толе би 59",
    "pickup.contact.name": "Склад",
    "pickup.contact.phone": "+7 727 000 0000",
}

Fields = tuple[str, str, str, str | None, str, int, int]
"""Address, name, phone, notes, description, grams, tenge."""


@attrs.frozen
class Shop:
    """An export, its mapping, and what comes out."""

    name: str
    mapping: Mapping[str, Any]
    write: Callable[[Path], Path]
    orders: Mapping[str, Fields]
    refused: Mapping[str, str]
    left_out: Mapping[str, str]


def _text(content: str, encoding: str = "utf-8") -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(content.encode(encoding))
        return path

    return write


def _cabinet(path: Path) -> Path:
    """Title rows, a heading on two rows with merged groups, numbers for ids and phones, a total that is a formula."""
    delivery = "Передача на доставку"
    return write_workbook(
        path,
        [
            ["Заказы: доставка"],
            ["Период: 01.04.2025 - 02.04.2025"],
            [],
            ["Заказ", None, None, "Товар", None, None, "Покупатель", None, "Доставка"],
            [
                *("№ заказа", "Дата поступления заказа", "Статус", "Название товара", "Кол-во", "Сумма", "Имя"),
                *("Номер телефона", "Адрес доставки", "Вес, кг"),
            ],
            [
                520000001,
                '<c s="2"><v>45748.5</v></c>',
                delivery,
                "Сумка",
                1,
                15990,
                "Дана Ә.",
                77010000021,
                "Абая 1",
                0.7,
            ],
            [520000002, None, delivery, "Чайник", 1, 9500, "Ерлан", 77010000022, "Сатпаева 2", 1.35],
            [520000002, None, delivery, "Чашка", 2, 3000, "Ерлан", 77010000022, "Сатпаева 2", 0.4],
            [520000003, None, "Отменён", "Рюкзак", 1, 22400, "Ирина", 77010000023, "Абая 3", 1],
            [520000004, None, "Kaspi Доставка", "Лампа", 1, 5000, "Олжас", 77010000024, "Абая 4", 1],
            [520000005, None, "Неизвестный", "Лампа", 1, 5000, "Олжас", 77010000024, "Абая 4", 1],
            ["Итого", "", "", "", "", "<c><f>SUM(F6:F9)</f><v/></c>"],
        ],
        merged=["A1:J1", "A4:C4", "D4:F4", "G4:H4", "I4:J4"],
    )


_INSALES = (
    '\ufeff"Номер";"Статус";"ФИО";"Телефон";"Город";"Адрес доставки";"Комментарий клиента";"Название товара";'
    '"Количество";"Вес (кг)";"Итого (тг.)";"Способ доставки"\r\n'
    '"2042";"Принят";"Жұмабаев Ерлан";"8 (701) 000-00-31";"Алматы";"ул. Абая, 10";"Домофон,\nкод 5";"Наушники";'
    '"1";"0,250";"18990,0";"Курьер"\r\n'
    '"2042";"";"";"";"";"";"";"Чехол; чёрный";"2";"0,050";"";""\r\n'
    '"2043";"Новый";"Петрова Анна";"+7 701 000 00 32";"Алматы";"ТЦ ""Мечта"", бутик 5";"";"Лампа";"2";"1,2";"17980,0";'
    '"Курьер"\r\n'
    '"2044";"Новый";"Өтеген М.";"7701000033";"Алматы";"Абая 51";"";"Кітап";"1";"0,4";"3500,0";"Самовывоз"\r\n'
    '"2045";"Отклонён";"Өтеген М.";"7701000033";"Алматы";"Абая 51";"";"Кітап";"1";"0,4";"3500,0";"Курьер"\r\n'
)
_WOOCOMMERCE = (
    "Order Number,Order Status,Customer Note,First Name (Shipping),Last Name (Shipping),Address 1&2 (Shipping),"
    "City (Shipping),Phone (Billing),Order Total Amount,Item Name,Quantity,Item Weight\n"
    '6121,processing,,Dana,O.,"Satpayev St 22, apt 9",Almaty,87010000041,18000.00,"Dress, size M",1,0.35\n'
    '6122,processing,"the ""blue"" door",Timur,A.,Mangilik El 55,Astana,+77010000042,9990.50,Mug,3,0.3\n'
    "6123,refunded,,Olga,K.,Abay ave 4,Almaty,,0.00,Poster,1,\n"
)
_SHOPIFY = (
    "Name,Financial Status,Fulfillment Status,Total,Lineitem quantity,Lineitem name,Shipping Name,Shipping Street,"
    "Shipping City,Shipping Zip,Shipping Phone,Notes\n"
    '#2001,paid,unfulfilled,25990.00,1,Hoodie - L,Aru S.,"Dostyk 91, 14",Almaty,\'050051,\'+77010000051,"Gift.\n'
    'No receipt"\n'
    "#2001,,,,2,Socks,,,,,,\n"
    "#2002,paid,unfulfilled,7500.00,1,Cap,Madi T.,Turan 37,Astana,'010000,'+77010000052,\n"
)
_OZON = (
    '\ufeff"Номер заказа";"Номер отправления";"Статус";"Сумма отправления";"Код валюты отправления";'
    '"Наименование товара";"Количество";"Адрес доставки";"Имя получателя";"Телефон получателя";'
    '"Вес отправления, г";""\n'
    '"0451-7";"0451-7-1";"Ожидает отгрузки";"18990.00";"KZT";"Фен";"1";"Алматы, Абая, 10";"Салтанат Н.";'
    '"7 701 000-00-61";"920";""\n'
    '"0451-7";"0451-7-1";"Ожидает отгрузки";"18990.00";"KZT";"Щётка";"2";"Алматы, Абая, 10";"Салтанат Н.";'
    '"77010000061";"920";""\n'
    '"0451-8";"0451-8-1";"Доставлен";"4200.00";"KZT";"Щётка";"2";"Алматы";"Нұрлан";"77010000062";"300";""\n'
)
_1C = (
    'Реестр заказов за 04.04.2025;;;;;;\r\nОрганизация: ТОО "Ромашка";;;;;;\r\n;;;;;;\r\n'
    "№ п/п;Документ;Контрагент;Телефон;Адрес доставки;Вес;Сумма\r\n"
    '1;Заказ покупателя 0000-000223 от 04.04.2025 9:15:00;"ТОО ""?лем Трейд""";8-701-000-00-71;"г. Алматы; д. 502";'
    "2,500;118\xa0990,00\r\n"
    "2;Заказ клиента № ТД00-45 от 04.04.2025 9:40:12;Иванов И. И.;8(701)0000072;г. Алматы, 212;0,300;4\xa0500,00\r\n"
    ";;;;Итого:;2,800;123\xa0490,00\r\n;;;;;;\r\n;;;;;;"
)
_OPENCART = (
    "order_id\tcustomer\ttelephone\tshipping_address\tcomment\ttotal\tweight\r\n"
    '="000027"\tСерик &amp; Ко\t="87010000081"\tАлматы, &quot;Меркур&quot;\t\t15400.0000\t0.70000000\r\n'
    '="000028"\tАйгерим\t="+7 701 000 00 82"\tАлматы, 17\tс 9 до 18\t8300.0000\t1.20000000\r\n'
)
_OWN = (
    "\ufeffexternalOrderId;dropoff.address;dropoff.contact.name;dropoff.contact.phone;parcel.description;"
    "parcel.weightGrams;parcel.valueKzt;dropoff.notes\r"
    "N-001;Абая 10;Әлия;+7 701 000 0091;Обувь;800;18 000;звонить\r"
    "N-002;#Н/Д;Игорь;#Н/Д;Сумка;500;12 000\r"
    "N-003;Төле би 5;Қанат;7,701E+10;Кофе;1000;9900;не звонить\r"
    "N-003\u200b;Төле би 5;Қанат;+7 701 000 0092;Кофе;1000;9900\r"
)

SHOPS = (
    Shop(
        "cabinet.xlsx",
        {"preset": "kaspi-cabinet"},
        _cabinet,
        {
            "520000001": ("Абая 1", "Дана Ә.", "77010000021", None, "Сумка", 700, 15990),
            "520000002": ("Сатпаева 2", "Ерлан", "77010000022", None, "Чайник, Чашка", 1750, 12500),
        },
        {},
        {
            "Статус: Отменён": "520000003 (row 9)",
            "Статус: Kaspi Доставка": "520000004 (row 10)",
            "Статус: Неизвестный, which the mapping neither keeps nor skips": "520000005 (row 11)",
            "total": "Итого (row 12)",
        },
    ),
    Shop(
        "insales.csv",
        {"preset": "insales"},
        _text(_INSALES),
        {
            "2042": (
                *("Алматы, ул. Абая, 10", "Жұмабаев Ерлан", "8 (701) 000-00-31", "Домофон,\nкод 5"),
                *("Наушники, Чехол; чёрный", 350, 18990),
            ),
            "2043": ('Алматы, ТЦ "Мечта", бутик 5', "Петрова Анна", "+7 701 000 00 32", None, "Лампа", 2400, 17980),
        },
        {},
        {"Способ доставки: Самовывоз": "2044 (line 6)", "Статус: Отклонён": "2045 (line 7)"},
    ),
    Shop(
        "woocommerce.csv",
        {"preset": "woocommerce"},
        _text(_WOOCOMMERCE),
        {"6121": ("Almaty, Satpayev St 22, apt 9", "Dana O.", "87010000041", None, "Dress, size M", 350, 18000)},
        {"line 3": "column 'Order Total Amount' (parcel.valueKzt): the number has decimals"},
        {"Order Status: refunded": "6123 (line 4)"},
    ),
    Shop(
        "woocommerce-rounded.csv",
        {"preset": "woocommerce", "rounding": {"parcel.valueKzt": "nearest"}},
        _text(_WOOCOMMERCE),
        {
            "6121": ("Almaty, Satpayev St 22, apt 9", "Dana O.", "87010000041", None, "Dress, size M", 350, 18000),
            "6122": ("Astana, Mangilik El 55", "Timur A.", "+77010000042", 'the "blue" door', "Mug", 900, 9991),
        },
        {},
        {"Order Status: refunded": "6123 (line 4)"},
    ),
    Shop(
        "shopify.csv",
        {"preset": "shopify", "defaults": {"parcel.weightGrams": "400"}},
        _text(_SHOPIFY),
        {
            "#2001": (
                *("Almaty, Dostyk 91, 14", "Aru S.", "+77010000051", "Gift.\nNo receipt"),
                *("Hoodie - L, Socks", 400, 25990),
            ),
            "#2002": ("Astana, Turan 37", "Madi T.", "+77010000052", None, "Cap", 400, 7500),
        },
        {},
        {},
    ),
    Shop(
        "ozon.csv",
        {"preset": "ozon"},
        _text(_OZON),
        {"0451-7-1": ("Алматы, Абая, 10", "Салтанат Н.", "7 701 000-00-61", None, "Фен, Щётка", 920, 18990)},
        {},
        {"Статус: Доставлен": "0451-8-1 (line 4)"},
    ),
    Shop(
        "1c.csv",
        {"preset": "1c"},
        _text(_1C, "windows-1251"),
        {
            "0000-000223": (
                *("г. Алматы; д. 502", 'ТОО "?лем Трейд"', "8-701-000-00-71", None),
                *("Товары по заказу", 2500, 118990),
            ),
            "ТД00-45": ("г. Алматы, 212", "Иванов И. И.", "8(701)0000072", None, "Товары по заказу", 300, 4500),
        },
        {},
        {"total": "Итого: (line 7)"},
    ),
    Shop(
        "opencart.txt",
        {"preset": "opencart"},
        _text(_OPENCART),
        {
            "000027": ('Алматы, "Меркур"', "Серик & Ко", "87010000081", None, "Товары по заказу", 700, 15400),
            "000028": ("Алматы, 17", "Айгерим", "+7 701 000 00 82", "с 9 до 18", "Товары по заказу", 1200, 8300),
        },
        {},
        {},
    ),
    Shop(
        "own.csv",
        {
            "columns": {
                name: name
                for name in (
                    *("externalOrderId", "dropoff.address", "dropoff.contact.name", "dropoff.contact.phone"),
                    *("dropoff.notes", "parcel.description", "parcel.weightGrams", "parcel.valueKzt"),
                )
            }
        },
        _text(_OWN),
        {"N-001": ("Абая 10", "Әлия", "+7 701 000 0091", "звонить", "Обувь", 800, 18000)},
        {
            "line 3": "column 'dropoff.contact.phone' (dropoff.contact.phone): is the spreadsheet error #Н/Д",
            "line 4": "column 'dropoff.contact.phone' (dropoff.contact.phone): a spreadsheet has rounded it",
            "line 5": "has an invisible character (U+200B ZERO WIDTH SPACE)",
        },
        {},
    ),
)
