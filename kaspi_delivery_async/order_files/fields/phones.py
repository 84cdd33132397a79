"""Phone numbers in the form in which they are sent; needs the extra ``phones``."""

from __future__ import annotations

from kaspi_delivery_async._extras import missing_extra

_MOST = 40


def normal_phone(text: str, country: str) -> tuple[str, str | None]:
    """Return a phone in international form, such as ``+77010000001``, and what is wrong with it."""
    try:
        import phonenumbers
    except ImportError:
        raise missing_extra("phones", needs="phonenumbers", purpose="a phone country in a mapping") from None
    try:
        number = phonenumbers.parse(text[:_MOST], country)
    except phonenumbers.NumberParseException:
        return text, "is no phone number"
    # Without the area's digits it is possible only within the area.
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return text, f"is no possible phone number of {country}; correct it"
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), None
