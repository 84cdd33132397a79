# Generated from the API description by `python -m codegen`; do not edit.
"""Models of the Kaspi Delivery API."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, Literal, TypeAlias

import attrs

from kaspi_delivery_async._open_enum import OpenEnum


@attrs.frozen(kw_only=True)
class BooleanThing:
    """BooleanThing."""

    a: bool | None = None


@attrs.frozen(kw_only=True)
class TextThing:
    """TextThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class WholeNumberThing:
    """WholeNumberThing."""

    a: int | None = None


@attrs.frozen(kw_only=True)
class NumberThing:
    """NumberThing."""

    a: float | None = None


@attrs.frozen(kw_only=True)
class Int32Thing:
    """Int32Thing."""

    a: int | None = None


@attrs.frozen(kw_only=True)
class Int64OfAStringThing:
    """Int64OfAStringThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class DoubleThing:
    """DoubleThing."""

    a: float | None = None


@attrs.frozen(kw_only=True)
class NullAloneThing:
    """NullAloneThing."""

    a: None


@attrs.frozen(kw_only=True)
class AnythingThing:
    """AnythingThing."""

    a: Any | None = None


@attrs.frozen(kw_only=True)
class AnythingByTrueThing:
    """AnythingByTrueThing."""

    a: Any | None = None


@attrs.frozen(kw_only=True)
class AnythingThatIsRequiredThing:
    """AnythingThatIsRequiredThing."""

    a: Any


@attrs.frozen(kw_only=True)
class BoundsAreNotCheckedThing:
    """BoundsAreNotCheckedThing."""

    a: int | None = None


@attrs.frozen(kw_only=True)
class TypeFollowsFromItsBoundsThing:
    """TypeFollowsFromItsBoundsThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class TypeFollowsFromNumericBoundsThing:
    """TypeFollowsFromNumericBoundsThing."""

    a: float | None = None


@attrs.frozen(kw_only=True)
class DateTimeThing:
    """DateTimeThing."""

    a: datetime | None = None


@attrs.frozen(kw_only=True)
class DateThing:
    """DateThing."""

    a: date | None = None


@attrs.frozen(kw_only=True)
class TimeThing:
    """TimeThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class DurationThing:
    """DurationThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class UuidThing:
    """UuidThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class UriThing:
    """UriThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class EmailThing:
    """EmailThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class Ipv4Thing:
    """Ipv4Thing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class HostnameThing:
    """HostnameThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class ByteThing:
    """ByteThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class BinaryThing:
    """BinaryThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class PasswordThing:
    """PasswordThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class DecimalThing:
    """DecimalThing."""

    a: Decimal | None = None


@attrs.frozen(kw_only=True)
class ANumberOfDecimalFormatThing:
    """ANumberOfDecimalFormatThing."""

    a: float | None = None


@attrs.frozen(kw_only=True)
class AFormatNobodyKnowsThing:
    """AFormatNobodyKnowsThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class AFormatWithoutATypeThing:
    """AFormatWithoutATypeThing."""

    a: date | None = None


@attrs.frozen(kw_only=True)
class Base64ContentThing:
    """Base64ContentThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class ADateOrNullThing:
    """ADateOrNullThing."""

    a: date | None


@attrs.frozen(kw_only=True)
class DatesInAListThing:
    """DatesInAListThing."""

    a: tuple[date, ...] | None = None


@attrs.frozen(kw_only=True)
class APatternThatPythonCannotReadThing:
    """APatternThatPythonCannotReadThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class ConstantTextThing:
    """ConstantTextThing."""

    a: Literal["card"] | None = None


@attrs.frozen(kw_only=True)
class ConstantNumberThing:
    """ConstantNumberThing."""

    a: Literal[3] | None = None


@attrs.frozen(kw_only=True)
class ConstantBooleanThing:
    """ConstantBooleanThing."""

    a: Literal[True] | None = None


@attrs.frozen(kw_only=True)
class ConstantNullThing:
    """ConstantNullThing."""

    a: None


@attrs.frozen(kw_only=True)
class ConstantWithItsTypeThing:
    """ConstantWithItsTypeThing."""

    a: Literal['a"b\\c'] | None = None


@attrs.frozen(kw_only=True)
class EnumerationOfBooleansThing:
    """EnumerationOfBooleansThing."""

    a: Literal[True] | None = None


class ANamedEnumerationOrAnyTextKind(StrEnum):
    """ANamedEnumerationOrAnyTextKind."""

    A = "a"


class ANamedIntegerEnumerationLevel(IntEnum):
    """ANamedIntegerEnumerationLevel."""

    VALUE_1 = 1

    VALUE_2 = 2


@attrs.frozen(kw_only=True)
class AnEnumerationOfAConstThing:
    """AnEnumerationOfAConstThing."""

    a: Literal["a"] | None = None


@attrs.frozen(kw_only=True)
class TextOrNullThing:
    """TextOrNullThing."""

    a: str | None


@attrs.frozen(kw_only=True)
class AnyOfWithNullThing:
    """AnyOfWithNullThing."""

    a: int | None


@attrs.frozen(kw_only=True)
class OneOfWithNullThing:
    """OneOfWithNullThing."""

    a: str | None


class NullInAnEnumerationByReferenceKind(StrEnum):
    """NullInAnEnumerationByReferenceKind."""

    A = "a"


@attrs.frozen(kw_only=True)
class AReferenceOrNullPart:
    """AReferenceOrNullPart."""

    b: str


@attrs.frozen(kw_only=True)
class ANamedObjectThatMayBeNullPart:
    """ANamedObjectThatMayBeNullPart."""

    b: str | None = None


@attrs.frozen(kw_only=True)
class ANamedTextThatMayBeNullThing:
    """ANamedTextThatMayBeNullThing."""

    a: str | None


ANamedTextThatMayBeNullPart: TypeAlias = str | None


@attrs.frozen(kw_only=True)
class AListOfTextsOrNullThing:
    """AListOfTextsOrNullThing."""

    a: tuple[str | None, ...] | None = None


@attrs.frozen(kw_only=True)
class AListThatMayBeNullOfItemsThatMayBeNullThing:
    """AListThatMayBeNullOfItemsThatMayBeNullThing."""

    a: tuple[int | None, ...] | None


@attrs.frozen(kw_only=True)
class AMapOfValuesOrNullThing:
    """AMapOfValuesOrNullThing."""

    a: dict[str, int | None] | None = None


@attrs.frozen(kw_only=True)
class AnInlineUnionWithNullThing:
    """AnInlineUnionWithNullThing."""

    a: str | int | None


@attrs.frozen(kw_only=True)
class NullThatIsOptionalThing:
    """NullThatIsOptionalThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class AnObjectThing:
    """AnObjectThing."""

    a: str

    b: int | None = None


@attrs.frozen(kw_only=True)
class AnObjectWithoutItsTypeThing:
    """AnObjectWithoutItsTypeThing."""

    a: str


@attrs.frozen(kw_only=True)
class ARequiredFieldThatIsNotDescribedThing:
    """ARequiredFieldThatIsNotDescribedThing."""

    a: str

    b: Any


@attrs.frozen(kw_only=True)
class AnObjectWithoutPropertiesThing:
    """AnObjectWithoutPropertiesThing."""

    a: dict[str, Any] | None = None


@attrs.frozen(kw_only=True)
class ANamedObjectWithoutPropertiesThing:
    """ANamedObjectWithoutPropertiesThing."""

    a: dict[str, Any] | None = None


ANamedObjectWithoutPropertiesFree: TypeAlias = dict[str, Any]


AnObjectThatIsFreeByItselfThing: TypeAlias = dict[str, Any]


@attrs.frozen(kw_only=True)
class AMapOfTextsThing:
    """AMapOfTextsThing."""

    a: dict[str, str] | None = None


@attrs.frozen(kw_only=True)
class AMapOfAnythingThing:
    """AMapOfAnythingThing."""

    a: dict[str, Any] | None = None


@attrs.frozen(kw_only=True)
class AMapOfObjectsPart:
    """AMapOfObjectsPart."""

    b: int


@attrs.frozen(kw_only=True)
class AMapOfListsThing:
    """AMapOfListsThing."""

    a: dict[str, tuple[int, ...]] | None = None


@attrs.frozen(kw_only=True)
class AMapOfMapsThing:
    """AMapOfMapsThing."""

    a: dict[str, dict[str, int]] | None = None


@attrs.frozen(kw_only=True)
class AMapByPatternsThing:
    """AMapByPatternsThing."""

    a: dict[str, int] | None = None


@attrs.frozen(kw_only=True)
class AMapWithBoundedNamesThing:
    """AMapWithBoundedNamesThing."""

    a: dict[str, int] | None = None


@attrs.frozen(kw_only=True)
class NothingBesideThing:
    """NothingBesideThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class TypedPropertiesBesideThing:
    """TypedPropertiesBesideThing."""

    a: str

    additional: dict[str, int] = attrs.field(factory=lambda: {}, metadata={"additional": True})


@attrs.frozen(kw_only=True)
class AnyPropertiesBesideThing:
    """AnyPropertiesBesideThing."""

    a: str | None = None

    additional: dict[str, Any] = attrs.field(factory=lambda: {}, metadata={"additional": True})


@attrs.frozen(kw_only=True)
class PatternsBesideThing:
    """PatternsBesideThing."""

    a: str | None = None

    additional: dict[str, int] = attrs.field(factory=lambda: {}, metadata={"additional": True})


@attrs.frozen(kw_only=True)
class AFieldCalledAsWhatHoldsTheOthersThing:
    """AFieldCalledAsWhatHoldsTheOthersThing."""

    additional: str | None = None

    additional_properties: str | None = attrs.field(default=None, metadata={"wire": "additionalProperties"})

    additional_2: dict[str, int] = attrs.field(factory=lambda: {}, metadata={"additional": True})


@attrs.frozen(kw_only=True)
class ConditionsOnFieldsThing:
    """ConditionsOnFieldsThing."""

    a: str | None = None

    b: str | None = None


@attrs.frozen(kw_only=True)
class FieldsOfAConditionThing:
    """FieldsOfAConditionThing."""

    c: str | None = None

    b: int | None = None

    a: str | None = None


@attrs.frozen(kw_only=True)
class AFieldThatCannotBeThing:
    """AFieldThatCannotBeThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class ReadOnlyAndWriteOnlyThing:
    """ReadOnlyAndWriteOnlyThing."""

    name: str

    id: str | None = attrs.field(default=None, metadata={"read_only": True})

    secret: str | None = None


@attrs.frozen(kw_only=True)
class ReadOnlyByReferenceThing:
    """ReadOnlyByReferenceThing."""

    id: str | None = attrs.field(default=None, metadata={"read_only": True})

    a: str | None = None


ReadOnlyByReferenceId: TypeAlias = str


@attrs.frozen(kw_only=True)
class ADefaultThing:
    """ADefaultThing."""

    a: int | None = None

    b: tuple[str, ...] | None = None

    c: dict[str, Any] | None = None


@attrs.frozen(kw_only=True)
class ADefaultOfARequiredFieldThing:
    """ADefaultOfARequiredFieldThing."""

    a: str


@attrs.frozen(kw_only=True)
class DeprecatedThing:
    """DeprecatedThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class NamesThatPythonDoesNotAllowThing:
    """NamesThatPythonDoesNotAllowThing."""

    list_: tuple[str, ...] = attrs.field(metadata={"wire": "list"})

    str_: str = attrs.field(metadata={"wire": "str"})

    class_: str | None = attrs.field(default=None, metadata={"wire": "class"})

    from_: str | None = attrs.field(default=None, metadata={"wire": "from"})

    field_1st: str | None = attrs.field(default=None, metadata={"wire": "1st"})

    құны: str | None = None

    self_: str | None = attrs.field(default=None, metadata={"wire": "self"})

    attrs_: str | None = attrs.field(default=None, metadata={"wire": "attrs"})

    field_2nd_floor: str | None = attrs.field(default=None, metadata={"wire": "2nd floor"})

    quo_te_d: str | None = attrs.field(default=None, metadata={"wire": 'quo"te\\d'})

    id: str | None = attrs.field(default=None, metadata={"wire": "$id"})

    x: str | None = attrs.field(default=None, metadata={"wire": "_x"})

    none: str | None = attrs.field(default=None, metadata={"wire": "None"})

    match: str | None = None


@attrs.frozen(kw_only=True)
class FieldsCalledAsTypesThing:
    """FieldsCalledAsTypesThing."""

    date_: date | None = attrs.field(default=None, metadata={"wire": "date"})

    datetime_: datetime | None = attrs.field(default=None, metadata={"wire": "datetime"})

    decimal: Decimal | None = attrs.field(default=None, metadata={"wire": "Decimal"})

    other: date | None = None

    later: datetime | None = None

    int_: int | None = attrs.field(default=None, metadata={"wire": "int"})

    float_: float | None = attrs.field(default=None, metadata={"wire": "float"})

    bool_: bool | None = attrs.field(default=None, metadata={"wire": "bool"})

    dict_: dict[str, Any] | None = attrs.field(default=None, metadata={"wire": "dict"})

    tuple_: tuple[int, ...] | None = attrs.field(default=None, metadata={"wire": "tuple"})

    any: Any | None = attrs.field(default=None, metadata={"wire": "Any"})

    literal: Literal["x"] | None = attrs.field(default=None, metadata={"wire": "Literal"})

    type: str | None = None

    none: None = attrs.field(default=None, metadata={"wire": "None"})


@attrs.frozen(kw_only=True)
class FieldsThatFallTogetherThing:
    """FieldsThatFallTogetherThing."""

    unknown_street: str | None = attrs.field(default=None, metadata={"wire": "Unknown Street"})

    unknown_street_2: int | None = attrs.field(default=None, metadata={"wire": "unknown_street"})

    unknown_street_3: bool | None = attrs.field(default=None, metadata={"wire": "unknownStreet"})


@attrs.frozen(kw_only=True)
class FieldsOfSignsThing:
    """FieldsOfSignsThing."""

    field: str | None = attrs.field(default=None, metadata={"wire": "?"})

    field_2: int | None = attrs.field(default=None, metadata={"wire": "!!"})

    field_3: str | None = attrs.field(default=None, metadata={"wire": ""})

    type: str | None = attrs.field(default=None, metadata={"wire": "@type"})

    text: str | None = attrs.field(default=None, metadata={"wire": "#text"})


@attrs.frozen(kw_only=True)
class AFieldCalledAsTheClassOfAnotherPart:
    """AFieldCalledAsTheClassOfAnotherPart."""

    b: str | None = None


@attrs.frozen(kw_only=True)
class SchemasThatFallTogetherSepaIban:
    """SchemasThatFallTogetherSepaIban."""

    x: str | None = None


@attrs.frozen(kw_only=True)
class SchemasThatFallTogetherSepaIBAN:
    """SchemasThatFallTogetherSepaIBAN."""

    x: int | None = None


@attrs.frozen(kw_only=True)
class SchemasThatFallTogethersepaIban:
    """SchemasThatFallTogethersepaIban."""

    x: bool | None = None


@attrs.frozen(kw_only=True)
class SchemasCalledAsImportsAny:
    """SchemasCalledAsImportsAny."""

    x: Any | None = None


@attrs.frozen(kw_only=True)
class SchemasCalledAsImportsdatetime:
    """SchemasCalledAsImportsdatetime."""

    x: datetime | None = None


@attrs.frozen(kw_only=True)
class SchemasCalledAsImportsstr:
    """SchemasCalledAsImportsstr."""

    x: str | None = None


@attrs.frozen(kw_only=True)
class SchemasCalledBySignsapiV1Part:
    """SchemasCalledBySignsapiV1Part."""

    x: str | None = None


@attrs.frozen(kw_only=True)
class SchemasCalledBySignsPageOfPart:
    """SchemasCalledBySignsPageOfPart."""

    x: int | None = None


@attrs.frozen(kw_only=True)
class SchemasCalledBySigns1st:
    """SchemasCalledBySigns1st."""

    x: int | None = None


@attrs.frozen(kw_only=True)
class FieldsCalledAsMethodsThing:
    """FieldsCalledAsMethodsThing."""

    init: str | None = attrs.field(default=None, metadata={"wire": "__init__"})

    class_: str | None = attrs.field(default=None, metadata={"wire": "__class__"})

    attrs_attrs: str | None = attrs.field(default=None, metadata={"wire": "__attrs_attrs__"})

    slots: str | None = attrs.field(default=None, metadata={"wire": "__slots__"})

    test: str | None = attrs.field(default=None, metadata={"wire": "__test__"})

    metadata: str | None = None


@attrs.frozen(kw_only=True)
class ASchemaCalledTestTestThing:
    """ASchemaCalledTestTestThing."""

    test: str | None = None


@attrs.frozen(kw_only=True)
class AListThing:
    """AListThing."""

    a: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class AListOfAnythingThing:
    """AListOfAnythingThing."""

    a: tuple[Any, ...] | None = None


@attrs.frozen(kw_only=True)
class AListOfListsThing:
    """AListOfListsThing."""

    a: tuple[tuple[int, ...], ...] | None = None


@attrs.frozen(kw_only=True)
class ANamedListThing:
    """ANamedListThing."""

    a: tuple[str, ...] | None = None


ANamedListNames: TypeAlias = tuple[str, ...]


@attrs.frozen(kw_only=True)
class AListOfNamedListsThing:
    """AListOfNamedListsThing."""

    a: tuple[tuple[str, ...], ...] | None = None


AListOfNamedListsNames: TypeAlias = tuple[str, ...]


@attrs.frozen(kw_only=True)
class AUniqueListThing:
    """AUniqueListThing."""

    a: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class AListOfMapsThing:
    """AListOfMapsThing."""

    a: tuple[dict[str, float], ...] | None = None


@attrs.frozen(kw_only=True)
class ATupleOfAFixedLengthThing:
    """ATupleOfAFixedLengthThing."""

    a: tuple[str, int] | None = None


@attrs.frozen(kw_only=True)
class ATupleWithoutMoreItemsThing:
    """ATupleWithoutMoreItemsThing."""

    a: tuple[str, int] | None = None


@attrs.frozen(kw_only=True)
class ATupleOfAnyLengthThing:
    """ATupleOfAnyLengthThing."""

    a: tuple[()] | tuple[str] | tuple[str, int, *tuple[Any, ...]] | None = None


@attrs.frozen(kw_only=True)
class ATupleWithATailThing:
    """ATupleWithATailThing."""

    a: tuple[str, *tuple[int, ...]] | None = None


@attrs.frozen(kw_only=True)
class ATupleThatMayBeShorterThing:
    """ATupleThatMayBeShorterThing."""

    a: tuple[float, float] | tuple[float, float, str] | None = None


@attrs.frozen(kw_only=True)
class AListOfTuplesThing:
    """AListOfTuplesThing."""

    a: tuple[tuple[float, float], ...] | None = None


@attrs.frozen(kw_only=True)
class AListThatContainsThing:
    """AListThatContainsThing."""

    a: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class AListOfNothingThing:
    """AListOfNothingThing."""

    a: tuple[()] | None = None


@attrs.frozen(kw_only=True)
class ScalarsThing:
    """ScalarsThing."""

    a: str | int | None = None


@attrs.frozen(kw_only=True)
class ScalarsByTypesThing:
    """ScalarsByTypesThing."""

    a: str | int | bool | None = None


@attrs.frozen(kw_only=True)
class ANumberOrATextThing:
    """ANumberOrATextThing."""

    a: float | str | None = None


@attrs.frozen(kw_only=True)
class WholeOrFractionThing:
    """WholeOrFractionThing."""

    a: int | float | None = None


@attrs.frozen(kw_only=True)
class OneOrAListThing:
    """OneOrAListThing."""

    a: str | tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class AnObjectOrItsIdentifierPart:
    """AnObjectOrItsIdentifierPart."""

    b: int


@attrs.frozen(kw_only=True)
class ADateOrATextThing:
    """ADateOrATextThing."""

    a: date | str | None = None


@attrs.frozen(kw_only=True)
class ADateOrATimeThing:
    """ADateOrATimeThing."""

    a: datetime | date | None = None


@attrs.frozen(kw_only=True)
class AUnionInAListThing:
    """AUnionInAListThing."""

    a: tuple[str | int, ...] | None = None


@attrs.frozen(kw_only=True)
class AUnionInAMapThing:
    """AUnionInAMapThing."""

    a: dict[str, str | bool] | None = None


@attrs.frozen(kw_only=True)
class AMapOrAListThing:
    """AMapOrAListThing."""

    a: dict[str, str] | tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class TwoListsThing:
    """TwoListsThing."""

    a: tuple[str, ...] | tuple[int, ...] | None = None


@attrs.frozen(kw_only=True)
class ObjectsWithADiscriminatorAndAMappingCat:
    """ObjectsWithADiscriminatorAndAMappingCat."""

    kind: Literal["cat"]

    name: str | None = None


@attrs.frozen(kw_only=True)
class ObjectsWithADiscriminatorAndAMappingDog:
    """ObjectsWithADiscriminatorAndAMappingDog."""

    kind: Literal["dog"]

    name: str | None = None


@attrs.frozen(kw_only=True)
class Lynx:
    """Lynx."""

    kind: Literal["Lynx"]

    b: int | None = None


@attrs.frozen(kw_only=True)
class Wolf:
    """Wolf."""

    kind: Literal["Wolf"]

    b: int | None = None


@attrs.frozen(kw_only=True)
class ObjectsByConstantsCat:
    """ObjectsByConstantsCat."""

    kind: Literal["cat"]

    b: int | None = None


@attrs.frozen(kw_only=True)
class ObjectsByConstantsDog:
    """ObjectsByConstantsDog."""

    kind: Literal["dog"]

    b: int | None = None


@attrs.frozen(kw_only=True)
class ObjectsByRequiredFieldsByName:
    """ObjectsByRequiredFieldsByName."""

    name: str


@attrs.frozen(kw_only=True)
class ObjectsByRequiredFieldsById:
    """ObjectsByRequiredFieldsById."""

    id: int


@attrs.frozen(kw_only=True)
class ObjectsThatNobodyCanTellApartOne:
    """ObjectsThatNobodyCanTellApartOne."""

    x: str | None = None


@attrs.frozen(kw_only=True)
class ObjectsThatNobodyCanTellApartOther:
    """ObjectsThatNobodyCanTellApartOther."""

    x: str | None = None

    y: str | None = None


@attrs.frozen(kw_only=True)
class ObjectsOfTheSameFieldsAndOtherTypesOne:
    """ObjectsOfTheSameFieldsAndOtherTypesOne."""

    x: str


@attrs.frozen(kw_only=True)
class ObjectsOfTheSameFieldsAndOtherTypesOther:
    """ObjectsOfTheSameFieldsAndOtherTypesOther."""

    x: int


@attrs.frozen(kw_only=True)
class AnObjectOrAnythingThing:
    """AnObjectOrAnythingThing."""

    a: Any | None = None


@attrs.frozen(kw_only=True)
class ANamedUnionPart:
    """ANamedUnionPart."""

    c: int


@attrs.frozen(kw_only=True)
class AUnionOfUnionsThing:
    """AUnionOfUnionsThing."""

    a: str | int | bool | None = None


AUnionOfUnionsEither: TypeAlias = str | int


@attrs.frozen(kw_only=True)
class ReferencesBesidePropertiesByName:
    """ReferencesBesidePropertiesByName."""

    name: str


@attrs.frozen(kw_only=True)
class ReferencesBesidePropertiesById:
    """ReferencesBesidePropertiesById."""

    id: int


@attrs.frozen(kw_only=True)
class AnyOfOfRequiredAloneThing:
    """AnyOfOfRequiredAloneThing."""

    a: str | None = None

    b: str | None = None


@attrs.frozen(kw_only=True)
class OneOfOfRequiredAloneThing:
    """OneOfOfRequiredAloneThing."""

    c: str

    a: str | None = None

    b: str | None = None


@attrs.frozen(kw_only=True)
class ChoicesOfBoundsAloneThing:
    """ChoicesOfBoundsAloneThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class OneChoiceThing:
    """OneChoiceThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class EqualChoicesThing:
    """EqualChoicesThing."""

    a: str | None = None


class TwoEnumerationsWarm(StrEnum):
    """TwoEnumerationsWarm."""

    RED = "red"


class TwoEnumerationsCold(StrEnum):
    """TwoEnumerationsCold."""

    BLUE = "blue"

    GREEN = "green"


@attrs.frozen(kw_only=True)
class AReferenceInAnAllOfPart:
    """AReferenceInAnAllOfPart."""

    b: int


@attrs.frozen(kw_only=True)
class ABaseAndMoreThing:
    """ABaseAndMoreThing."""

    a: str

    b: int


@attrs.frozen(kw_only=True)
class ABaseAndMoreBase:
    """ABaseAndMoreBase."""

    a: str


@attrs.frozen(kw_only=True)
class TwoReferencesThing:
    """TwoReferencesThing."""

    a: str

    b: int


@attrs.frozen(kw_only=True)
class TwoReferencesOne:
    """TwoReferencesOne."""

    a: str


@attrs.frozen(kw_only=True)
class TwoReferencesOther:
    """TwoReferencesOther."""

    b: int


@attrs.frozen(kw_only=True)
class ADiamondThing:
    """ADiamondThing."""

    a: str

    b: int | None = None

    c: int | None = None


@attrs.frozen(kw_only=True)
class ADiamondLeft:
    """ADiamondLeft."""

    a: str

    b: int | None = None


@attrs.frozen(kw_only=True)
class ADiamondRight:
    """ADiamondRight."""

    a: str

    c: int | None = None


@attrs.frozen(kw_only=True)
class ADiamondTop:
    """ADiamondTop."""

    a: str


@attrs.frozen(kw_only=True)
class AnAllOfThatNarrowsAFieldBase:
    """AnAllOfThatNarrowsAFieldBase."""

    kind: str


@attrs.frozen(kw_only=True)
class AnAllOfThatRequiresThing:
    """AnAllOfThatRequiresThing."""

    a: str


@attrs.frozen(kw_only=True)
class AnAllOfThatRequiresBase:
    """AnAllOfThatRequiresBase."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class AnAllOfOfScalarsThing:
    """AnAllOfOfScalarsThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class AnAllOfWithAUnionBase:
    """AnAllOfWithAUnionBase."""

    a: str


@attrs.frozen(kw_only=True)
class AnAllOfWithAUnionOne:
    """AnAllOfWithAUnionOne."""

    b: int


@attrs.frozen(kw_only=True)
class AnAllOfWithAUnionOther:
    """AnAllOfWithAUnionOther."""

    c: int


@attrs.frozen(kw_only=True)
class AReferenceWithKeywordsBesideItPart:
    """AReferenceWithKeywordsBesideItPart."""

    b: int


@attrs.frozen(kw_only=True)
class AReferenceWithBoundsBesideItThing:
    """AReferenceWithBoundsBesideItThing."""

    a: str | None = None


AReferenceWithBoundsBesideItCode: TypeAlias = str


@attrs.frozen(kw_only=True)
class ABaseAndKindsThatReferToEachOtherCat:
    """ABaseAndKindsThatReferToEachOtherCat."""

    kind: Literal["cat"]

    name: str | None = None

    lives: int | None = None


@attrs.frozen(kw_only=True)
class ABaseAndKindsThatReferToEachOtherDog:
    """ABaseAndKindsThatReferToEachOtherDog."""

    kind: Literal["dog"]

    name: str | None = None

    barks: bool | None = None


@attrs.frozen(kw_only=True)
class ABaseWithADiscriminatorAndKindsPet:
    """ABaseWithADiscriminatorAndKindsPet."""

    kind: str


@attrs.frozen(kw_only=True)
class Seal:
    """Seal."""

    kind: Literal["Seal"]

    lives: int | None = None


@attrs.frozen(kw_only=True)
class Bear:
    """Bear."""

    kind: Literal["Bear"]

    barks: bool | None = None


@attrs.frozen(kw_only=True)
class AnAllOfOfItselfInAFieldThing:
    """AnAllOfOfItselfInAFieldThing."""

    a: str | None = None

    next: AnAllOfOfItselfInAFieldThing | None = None


@attrs.frozen(kw_only=True)
class AnAllOfThatClosesThing:
    """AnAllOfThatClosesThing."""

    a: str | None = None

    b: int | None = None


@attrs.frozen(kw_only=True)
class AnAllOfThatClosesBase:
    """AnAllOfThatClosesBase."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class AnAllOfOfTrueThing:
    """AnAllOfOfTrueThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class ATreeThing:
    """ATreeThing."""

    name: str

    children: tuple[ATreeThing, ...] | None = None


@attrs.frozen(kw_only=True)
class AChainThatMayEndThing:
    """AChainThatMayEndThing."""

    next: AChainThatMayEndThing | None


@attrs.frozen(kw_only=True)
class AMapOfItselfThing:
    """AMapOfItselfThing."""

    parts: dict[str, AMapOfItselfThing] | None = None

    x: int | None = None


@attrs.frozen(kw_only=True)
class AUnionOfItselfThing:
    """AUnionOfItselfThing."""

    a: str | AUnionOfItselfThing | tuple[AUnionOfItselfThing, ...]


@attrs.frozen(kw_only=True)
class AnExpressionLeaf:
    """AnExpressionLeaf."""

    value: int


@attrs.frozen(kw_only=True)
class AnExpressionAnd:
    """AnExpressionAnd."""

    all: tuple[AnExpressionLeaf | AnExpressionAnd, ...]


@attrs.frozen(kw_only=True)
class ASchemaThatIsAReferencePart:
    """ASchemaThatIsAReferencePart."""

    b: int | None = None


@attrs.frozen(kw_only=True)
class ReferencesAsDataThing:
    """ReferencesAsDataThing."""

    a: str | None = None


@attrs.frozen(kw_only=True)
class NamedScalarsThing:
    """NamedScalarsThing."""

    a: str | None = None

    b: int | None = None

    c: datetime | None = None

    d: bool | None = None

    e: Any | None = None


NamedScalarsCode: TypeAlias = str


NamedScalarsCount: TypeAlias = int


NamedScalarsWhen: TypeAlias = datetime


NamedScalarsFlag: TypeAlias = bool


NamedScalarsFree: TypeAlias = Any


@attrs.frozen(kw_only=True)
class NamedConstantsAndMapsThing:
    """NamedConstantsAndMapsThing."""

    a: Literal["x"] | None = None

    b: dict[str, Literal["x"]] | None = None


NamedConstantsAndMapsOnly: TypeAlias = Literal["x"]


NamedConstantsAndMapsMap: TypeAlias = dict[str, Literal["x"]]


@attrs.frozen(kw_only=True)
class AUnionOfItselfAndMoreThing:
    """AUnionOfItselfAndMoreThing."""

    a: str


@attrs.frozen(kw_only=True)
class B:
    """B."""

    c: int | None = None


@attrs.frozen(kw_only=True)
class Part:
    """Part."""

    b: int | None = None


@attrs.frozen(kw_only=True)
class BCD:
    """BCD."""

    e: int | None = None


@attrs.frozen(kw_only=True)
class OneOfBesidePropertiesThingOption1:
    """OneOfBesidePropertiesThingOption1."""

    a: str

    b: int


@attrs.frozen(kw_only=True)
class OneOfBesidePropertiesThingOption2:
    """OneOfBesidePropertiesThingOption2."""

    a: str

    c: str


@attrs.frozen(kw_only=True)
class ReferencesBesidePropertiesThingOption1:
    """ReferencesBesidePropertiesThingOption1."""

    a: str

    name: str


@attrs.frozen(kw_only=True)
class ReferencesBesidePropertiesThingOption2:
    """ReferencesBesidePropertiesThingOption2."""

    a: str

    id: int


@attrs.frozen(kw_only=True)
class AnAllOfWithAUnionThingOption1:
    """AnAllOfWithAUnionThingOption1."""

    a: str

    b: int


@attrs.frozen(kw_only=True)
class AnAllOfWithAUnionThingOption2:
    """AnAllOfWithAUnionThingOption2."""

    a: str

    c: int


class ConstantOfAFractionThingA(Enum):
    """ConstantOfAFractionThingA."""

    VALUE_1_5 = 1.5


class EnumerationThingA(StrEnum):
    """EnumerationThingA."""

    RED = "red"

    BLUE = "blue"


class EnumerationOfOneThingA(StrEnum):
    """EnumerationOfOneThingA."""

    RED = "red"


class OpenEnumerationThingA(OpenEnum):
    """OpenEnumerationThingA."""

    RED = "red"


class EnumerationWithNullThingA(StrEnum):
    """EnumerationWithNullThingA."""

    RED = "red"


class EnumerationWithNullAndNoTypeThingA(StrEnum):
    """EnumerationWithNullAndNoTypeThingA."""

    RED = "red"


class EnumerationOfNumbersThingA(IntEnum):
    """EnumerationOfNumbersThingA."""

    VALUE_1 = 1

    VALUE_2 = 2

    VALUE_MINUS_3 = -3


class OpenEnumerationOfNumbersThingA(IntEnum):
    """OpenEnumerationOfNumbersThingA."""

    VALUE_1 = 1

    VALUE_2 = 2


class EnumerationOfFractionsThingA(Enum):
    """EnumerationOfFractionsThingA."""

    VALUE_0_5 = 0.5

    VALUE_1 = 1

    VALUE_2_25 = 2.25


class EnumerationWithAnEmptyTextThingA(StrEnum):
    """EnumerationWithAnEmptyTextThingA."""

    EMPTY = ""

    A = "a"


class EnumerationOfSignsThingA(StrEnum):
    """EnumerationOfSignsThingA."""

    PLUS_SIGN = "+"

    HYPHEN_MINUS = "-"

    EQUALS_SIGN = "="

    EXCLAMATION_MARK_EQUALS_SIGN = "!="

    GREATER_THAN_SIGN = ">"


class EnumerationOfDigitsThingA(StrEnum):
    """EnumerationOfDigitsThingA."""

    VALUE_1 = "1"

    VALUE_2ND = "2nd"

    VALUE_3_5 = "3.5"


class ValuesThatFallTogetherThingA(StrEnum):
    """ValuesThatFallTogetherThingA."""

    IN_TRANSIT = "in-transit"

    IN_TRANSIT_2 = "in_transit"

    IN_TRANSIT_3 = "inTransit"

    IN_TRANSIT_4 = "IN TRANSIT"


class ValuesThatPythonKeepsThingA(StrEnum):
    """ValuesThatPythonKeepsThingA."""

    NONE = "None"

    CLASS = "class"

    MRO = "mro"

    NAME = "name"

    VALUE = "value"

    X = "_x"

    Y = "__y__"


class KazakhValuesThingA(StrEnum):
    """KazakhValuesThingA."""

    ҚҰНЫ = "құны"

    ҚҰНЫ_2 = "ҚҰНЫ"

    日本 = "日本"


class EnumerationOfTextsAndNumbersThingAOption1(StrEnum):
    """EnumerationOfTextsAndNumbersThingAOption1."""

    AUTO = "auto"


class EnumerationOfTextsAndNumbersThingAOption2(IntEnum):
    """EnumerationOfTextsAndNumbersThingAOption2."""

    VALUE_1 = 1

    VALUE_2 = 2


class ValuesThatAreListedTwiceThingA(StrEnum):
    """ValuesThatAreListedTwiceThingA."""

    A = "a"

    B = "b"


class EnumerationByTitledConstantsThingA(IntEnum):
    """EnumerationByTitledConstantsThingA."""

    STANDARD = 1

    EXPRESS = 2


class EnumerationByConstantsAndATypeThingA(StrEnum):
    """EnumerationByConstantsAndATypeThingA."""

    A = "a"
    """First."""

    B = "b"


class EnumerationOrAnyTextThingA(OpenEnum):
    """EnumerationOrAnyTextThingA."""

    A = "a"

    B = "b"


class EnumerationInAListThingAItem(StrEnum):
    """EnumerationInAListThingAItem."""

    A = "a"

    B = "b"


class EnumerationInAMapThingAItem(StrEnum):
    """EnumerationInAMapThingAItem."""

    A = "a"

    B = "b"


class AnEnumerationWithADefaultThingA(StrEnum):
    """AnEnumerationWithADefaultThingA."""

    A = "a"

    B = "b"


@attrs.frozen(kw_only=True)
class AnInlineObjectOrNullThingA:
    """AnInlineObjectOrNullThingA."""

    b: str | None = None


@attrs.frozen(kw_only=True)
class AnInlineObjectThingA:
    """AnInlineObjectThingA."""

    b: int


@attrs.frozen(kw_only=True)
class AMapOfInlineObjectsThingAItem:
    """AMapOfInlineObjectsThingAItem."""

    b: date


@attrs.frozen(kw_only=True)
class ObjectsBesideThingItem:
    """ObjectsBesideThingItem."""

    b: int


@attrs.frozen(kw_only=True)
class AReadOnlyObjectThingMeta:
    """AReadOnlyObjectThingMeta."""

    b: int | None = None


class SchemasCalledAsImportsStrEnumX(StrEnum):
    """SchemasCalledAsImportsStrEnumX."""

    Y = "y"


class SchemasCalledAsImportsOpenEnumX(OpenEnum):
    """SchemasCalledAsImportsOpenEnumX."""

    Y = "y"


@attrs.frozen(kw_only=True)
class Part2:
    """Part2."""

    x: str | None = None


@attrs.frozen(kw_only=True)
class Part3:
    """Part3."""

    x: int | None = None


@attrs.frozen(kw_only=True)
class ATitleAsASchemaThingType:
    """ATitleAsASchemaThingType."""

    title: str | None = None


@attrs.frozen(kw_only=True)
class AListOfObjectsThingAItem:
    """AListOfObjectsThingAItem."""

    b: int


@attrs.frozen(kw_only=True)
class ATupleOfObjectsThingAItem1:
    """ATupleOfObjectsThingAItem1."""

    b: int


class ObjectsByEnumerationsCardKind(StrEnum):
    """ObjectsByEnumerationsCardKind."""

    VISA = "visa"

    MIR = "mir"


class ObjectsByEnumerationsCashKind(StrEnum):
    """ObjectsByEnumerationsCashKind."""

    KZT = "kzt"


@attrs.frozen(kw_only=True)
class InlineObjectsThingAOption1:
    """InlineObjectsThingAOption1."""

    b: str


@attrs.frozen(kw_only=True)
class InlineObjectsThingAOption2:
    """InlineObjectsThingAOption2."""

    c: str


@attrs.frozen(kw_only=True)
class ByName:
    """ByName."""

    b: str


@attrs.frozen(kw_only=True)
class ByNumber:
    """ByNumber."""

    c: int


@attrs.frozen(kw_only=True)
class AnObjectOrAFreeOneThingAOption1:
    """AnObjectOrAFreeOneThingAOption1."""

    b: str


@attrs.frozen(kw_only=True)
class AnObjectOrAnythingThingAOption1:
    """AnObjectOrAnythingThingAOption1."""

    b: str


class AConstantOrANumberThingAOption1(StrEnum):
    """AConstantOrANumberThingAOption1."""

    AUTO = "auto"


class ConstantsOfTwoTypesThingAOption1(StrEnum):
    """ConstantsOfTwoTypesThingAOption1."""

    A = "a"


class ConstantsOfTwoTypesThingAOption2(IntEnum):
    """ConstantsOfTwoTypesThingAOption2."""

    VALUE_1 = 1


class AnEnumerationOrANumberThingAOption1(StrEnum):
    """AnEnumerationOrANumberThingAOption1."""

    SMALL = "small"

    LARGE = "large"


class AnOpenEnumerationOrANumberThingAOption1(OpenEnum):
    """AnOpenEnumerationOrANumberThingAOption1."""

    A = "a"


@attrs.frozen(kw_only=True)
class AReferenceInAnAllOfThingA:
    """A part."""

    b: int


class AnAllOfThatNarrowsAFieldThingKind(StrEnum):
    """AnAllOfThatNarrowsAFieldThingKind."""

    X = "x"


@attrs.frozen(kw_only=True)
class AnAllOfInAFieldThingA:
    """AnAllOfInAFieldThingA."""

    b: int | None = None

    c: str | None = None


@attrs.frozen(kw_only=True)
class AReferenceWithKeywordsBesideItThingA:
    """AReferenceWithKeywordsBesideItThingA."""

    b: int

    c: str


@attrs.frozen(kw_only=True)
class AReferenceIntoASchemaPartB:
    """AReferenceIntoASchemaPartB."""

    c: int | None = None


@attrs.frozen(kw_only=True)
class ANameThatIsEscapedThingBCD:
    """ANameThatIsEscapedThingBCD."""

    e: int | None = None


@attrs.frozen(kw_only=True)
class AnObjectInAnObjectInAnObjectThingABC:
    """AnObjectInAnObjectInAnObjectThingABC."""

    d: int | None = None


@attrs.frozen(kw_only=True)
class ConstantOfAFractionThing:
    """ConstantOfAFractionThing."""

    a: ConstantOfAFractionThingA | None = None


@attrs.frozen(kw_only=True)
class EnumerationThing:
    """EnumerationThing."""

    a: EnumerationThingA | None = None


@attrs.frozen(kw_only=True)
class EnumerationOfOneThing:
    """EnumerationOfOneThing."""

    a: EnumerationOfOneThingA | None = None


@attrs.frozen(kw_only=True)
class OpenEnumerationThing:
    """OpenEnumerationThing."""

    a: OpenEnumerationThingA | None = None


@attrs.frozen(kw_only=True)
class EnumerationWithNullThing:
    """EnumerationWithNullThing."""

    a: EnumerationWithNullThingA | None


@attrs.frozen(kw_only=True)
class EnumerationWithNullAndNoTypeThing:
    """EnumerationWithNullAndNoTypeThing."""

    a: EnumerationWithNullAndNoTypeThingA | None


@attrs.frozen(kw_only=True)
class EnumerationOfNumbersThing:
    """EnumerationOfNumbersThing."""

    a: EnumerationOfNumbersThingA | None = None


@attrs.frozen(kw_only=True)
class OpenEnumerationOfNumbersThing:
    """OpenEnumerationOfNumbersThing."""

    a: OpenEnumerationOfNumbersThingA | int | None = None


@attrs.frozen(kw_only=True)
class EnumerationOfFractionsThing:
    """EnumerationOfFractionsThing."""

    a: EnumerationOfFractionsThingA | None = None


@attrs.frozen(kw_only=True)
class EnumerationWithAnEmptyTextThing:
    """EnumerationWithAnEmptyTextThing."""

    a: EnumerationWithAnEmptyTextThingA | None = None


@attrs.frozen(kw_only=True)
class EnumerationOfSignsThing:
    """EnumerationOfSignsThing."""

    a: EnumerationOfSignsThingA | None = None


@attrs.frozen(kw_only=True)
class EnumerationOfDigitsThing:
    """EnumerationOfDigitsThing."""

    a: EnumerationOfDigitsThingA | None = None


@attrs.frozen(kw_only=True)
class ValuesThatFallTogetherThing:
    """ValuesThatFallTogetherThing."""

    a: ValuesThatFallTogetherThingA | None = None


@attrs.frozen(kw_only=True)
class ValuesThatPythonKeepsThing:
    """ValuesThatPythonKeepsThing."""

    a: ValuesThatPythonKeepsThingA | None = None


@attrs.frozen(kw_only=True)
class KazakhValuesThing:
    """KazakhValuesThing."""

    a: KazakhValuesThingA | None = None


@attrs.frozen(kw_only=True)
class EnumerationOfTextsAndNumbersThing:
    """EnumerationOfTextsAndNumbersThing."""

    a: EnumerationOfTextsAndNumbersThingAOption1 | EnumerationOfTextsAndNumbersThingAOption2 | None = None


@attrs.frozen(kw_only=True)
class ValuesThatAreListedTwiceThing:
    """ValuesThatAreListedTwiceThing."""

    a: ValuesThatAreListedTwiceThingA | None = None


@attrs.frozen(kw_only=True)
class EnumerationByTitledConstantsThing:
    """EnumerationByTitledConstantsThing."""

    a: EnumerationByTitledConstantsThingA | None = None


@attrs.frozen(kw_only=True)
class EnumerationByConstantsAndATypeThing:
    """EnumerationByConstantsAndATypeThing."""

    a: EnumerationByConstantsAndATypeThingA | None = None


@attrs.frozen(kw_only=True)
class EnumerationOrAnyTextThing:
    """EnumerationOrAnyTextThing."""

    a: EnumerationOrAnyTextThingA | None = None


@attrs.frozen(kw_only=True)
class ANamedEnumerationOrAnyTextThing:
    """ANamedEnumerationOrAnyTextThing."""

    a: ANamedEnumerationOrAnyTextKind | str | None = None


@attrs.frozen(kw_only=True)
class ANamedIntegerEnumerationThing:
    """ANamedIntegerEnumerationThing."""

    a: ANamedIntegerEnumerationLevel | None = None


@attrs.frozen(kw_only=True)
class EnumerationInAListThing:
    """EnumerationInAListThing."""

    a: tuple[EnumerationInAListThingAItem, ...] | None = None


@attrs.frozen(kw_only=True)
class EnumerationInAMapThing:
    """EnumerationInAMapThing."""

    a: dict[str, EnumerationInAMapThingAItem] | None = None


@attrs.frozen(kw_only=True)
class AnEnumerationWithADefaultThing:
    """AnEnumerationWithADefaultThing."""

    a: AnEnumerationWithADefaultThingA | None = None


@attrs.frozen(kw_only=True)
class NullInAnEnumerationByReferenceThing:
    """NullInAnEnumerationByReferenceThing."""

    a: NullInAnEnumerationByReferenceKind | None


@attrs.frozen(kw_only=True)
class AReferenceOrNullThing:
    """AReferenceOrNullThing."""

    a: AReferenceOrNullPart | None


@attrs.frozen(kw_only=True)
class ANamedObjectThatMayBeNullThing:
    """ANamedObjectThatMayBeNullThing."""

    a: ANamedObjectThatMayBeNullPart | None


@attrs.frozen(kw_only=True)
class AnInlineObjectOrNullThing:
    """AnInlineObjectOrNullThing."""

    a: AnInlineObjectOrNullThingA | None


@attrs.frozen(kw_only=True)
class AnInlineObjectThing:
    """AnInlineObjectThing."""

    a: AnInlineObjectThingA | None = None


AMapOfObjectsThing: TypeAlias = dict[str, AMapOfObjectsPart]


@attrs.frozen(kw_only=True)
class AMapOfInlineObjectsThing:
    """AMapOfInlineObjectsThing."""

    a: dict[str, AMapOfInlineObjectsThingAItem] | None = None


@attrs.frozen(kw_only=True)
class ObjectsBesideThing:
    """ObjectsBesideThing."""

    a: str | None = None

    additional: dict[str, ObjectsBesideThingItem] = attrs.field(factory=lambda: {}, metadata={"additional": True})


@attrs.frozen(kw_only=True)
class AReadOnlyObjectThing:
    """AReadOnlyObjectThing."""

    meta: AReadOnlyObjectThingMeta | None = attrs.field(default=None, metadata={"read_only": True})

    a: str | None = None


@attrs.frozen(kw_only=True)
class AFieldCalledAsTheClassOfAnotherThing:
    """AFieldCalledAsTheClassOfAnotherThing."""

    part: AFieldCalledAsTheClassOfAnotherPart | None = attrs.field(default=None, metadata={"wire": "Part"})

    part_2: AFieldCalledAsTheClassOfAnotherPart | None = attrs.field(default=None, metadata={"wire": "part"})


@attrs.frozen(kw_only=True)
class SchemasThatFallTogetherThing:
    """SchemasThatFallTogetherThing."""

    a: SchemasThatFallTogetherSepaIban | None = None

    b: SchemasThatFallTogetherSepaIBAN | None = None

    c: SchemasThatFallTogethersepaIban | None = None


@attrs.frozen(kw_only=True)
class SchemasCalledAsImportsStrEnum:
    """SchemasCalledAsImportsStrEnum."""

    x: SchemasCalledAsImportsStrEnumX | None = None


@attrs.frozen(kw_only=True)
class SchemasCalledAsImportsOpenEnum:
    """SchemasCalledAsImportsOpenEnum."""

    x: SchemasCalledAsImportsOpenEnumX | None = None


@attrs.frozen(kw_only=True)
class SchemasCalledBySignsThing:
    """SchemasCalledBySignsThing."""

    a: SchemasCalledBySignsapiV1Part | None = None

    b: SchemasCalledBySignsPageOfPart | None = None

    c: SchemasCalledBySigns1st | None = None


@attrs.frozen(kw_only=True)
class InlineObjectsOfOneTitleThing:
    """InlineObjectsOfOneTitleThing."""

    a: Part2 | None = None

    b: Part3 | None = None


@attrs.frozen(kw_only=True)
class ATitleAsASchemaThing:
    """ATitleAsASchemaThing."""

    title: str | None = None

    format: str | None = None

    type: ATitleAsASchemaThingType | None = None


@attrs.frozen(kw_only=True)
class ASchemaCalledTestThing:
    """ASchemaCalledTestThing."""

    a: ASchemaCalledTestTestThing | None = None


@attrs.frozen(kw_only=True)
class AListOfObjectsThing:
    """AListOfObjectsThing."""

    a: tuple[AListOfObjectsThingAItem, ...] | None = None


@attrs.frozen(kw_only=True)
class ATupleOfObjectsThing:
    """ATupleOfObjectsThing."""

    a: tuple[ATupleOfObjectsThingAItem1, date] | None = None


@attrs.frozen(kw_only=True)
class AnObjectOrItsIdentifierThing:
    """AnObjectOrItsIdentifierThing."""

    a: str | AnObjectOrItsIdentifierPart | None = None


@attrs.frozen(kw_only=True)
class ObjectsWithADiscriminatorAndAMappingThing:
    """ObjectsWithADiscriminatorAndAMappingThing."""

    a: ObjectsWithADiscriminatorAndAMappingCat | ObjectsWithADiscriminatorAndAMappingDog


@attrs.frozen(kw_only=True)
class ObjectsWithADiscriminatorByTheirNamesThing:
    """ObjectsWithADiscriminatorByTheirNamesThing."""

    a: Lynx | Wolf | None = None


ObjectsByConstantsThing: TypeAlias = ObjectsByConstantsCat | ObjectsByConstantsDog


@attrs.frozen(kw_only=True)
class ObjectsByEnumerationsCard:
    """ObjectsByEnumerationsCard."""

    kind: ObjectsByEnumerationsCardKind


@attrs.frozen(kw_only=True)
class ObjectsByEnumerationsCash:
    """ObjectsByEnumerationsCash."""

    kind: ObjectsByEnumerationsCashKind


@attrs.frozen(kw_only=True)
class ObjectsByRequiredFieldsThing:
    """ObjectsByRequiredFieldsThing."""

    a: ObjectsByRequiredFieldsByName | ObjectsByRequiredFieldsById | None = None


@attrs.frozen(kw_only=True)
class ObjectsThatNobodyCanTellApartThing:
    """ObjectsThatNobodyCanTellApartThing."""

    a: ObjectsThatNobodyCanTellApartOne | ObjectsThatNobodyCanTellApartOther | None = None


@attrs.frozen(kw_only=True)
class ObjectsOfTheSameFieldsAndOtherTypesThing:
    """ObjectsOfTheSameFieldsAndOtherTypesThing."""

    a: ObjectsOfTheSameFieldsAndOtherTypesOne | ObjectsOfTheSameFieldsAndOtherTypesOther | None = None


@attrs.frozen(kw_only=True)
class InlineObjectsThing:
    """InlineObjectsThing."""

    a: InlineObjectsThingAOption1 | InlineObjectsThingAOption2 | None = None


@attrs.frozen(kw_only=True)
class InlineObjectsWithTitlesThing:
    """InlineObjectsWithTitlesThing."""

    a: ByName | ByNumber | None = None


@attrs.frozen(kw_only=True)
class AnObjectOrAFreeOneThing:
    """AnObjectOrAFreeOneThing."""

    a: AnObjectOrAFreeOneThingAOption1 | dict[str, Any] | None = None


@attrs.frozen(kw_only=True)
class ANamedUnionThing:
    """ANamedUnionThing."""

    a: str | ANamedUnionPart

    b: tuple[str | ANamedUnionPart, ...] | None = None


ANamedUnionEither: TypeAlias = str | ANamedUnionPart


OneOfBesidePropertiesThing: TypeAlias = OneOfBesidePropertiesThingOption1 | OneOfBesidePropertiesThingOption2


ReferencesBesidePropertiesThing: TypeAlias = (
    ReferencesBesidePropertiesThingOption1 | ReferencesBesidePropertiesThingOption2
)


@attrs.frozen(kw_only=True)
class AConstantOrANumberThing:
    """AConstantOrANumberThing."""

    a: AConstantOrANumberThingAOption1 | int | None = None


@attrs.frozen(kw_only=True)
class ConstantsOfTwoTypesThing:
    """ConstantsOfTwoTypesThing."""

    a: ConstantsOfTwoTypesThingAOption1 | ConstantsOfTwoTypesThingAOption2 | None = None


@attrs.frozen(kw_only=True)
class AnEnumerationOrANumberThing:
    """AnEnumerationOrANumberThing."""

    a: AnEnumerationOrANumberThingAOption1 | float | None = None


@attrs.frozen(kw_only=True)
class AnOpenEnumerationOrANumberThing:
    """AnOpenEnumerationOrANumberThing."""

    a: AnOpenEnumerationOrANumberThingAOption1 | int | None = None


@attrs.frozen(kw_only=True)
class TwoEnumerationsThing:
    """TwoEnumerationsThing."""

    a: TwoEnumerationsWarm | TwoEnumerationsCold | None = None


@attrs.frozen(kw_only=True)
class AReferenceInAnAllOfThing:
    """AReferenceInAnAllOfThing."""

    a: AReferenceInAnAllOfThingA
    """A part."""


@attrs.frozen(kw_only=True)
class AnAllOfThatNarrowsAFieldThing:
    """AnAllOfThatNarrowsAFieldThing."""

    kind: AnAllOfThatNarrowsAFieldThingKind


@attrs.frozen(kw_only=True)
class AnAllOfInAFieldThing:
    """AnAllOfInAFieldThing."""

    a: AnAllOfInAFieldThingA | None = None


AnAllOfWithAUnionThing: TypeAlias = AnAllOfWithAUnionThingOption1 | AnAllOfWithAUnionThingOption2


AnAllOfWithAUnionEither: TypeAlias = AnAllOfWithAUnionOne | AnAllOfWithAUnionOther


@attrs.frozen(kw_only=True)
class AReferenceWithKeywordsBesideItThing:
    """AReferenceWithKeywordsBesideItThing."""

    a: AReferenceWithKeywordsBesideItThingA | None = None


@attrs.frozen(kw_only=True)
class ABaseAndKindsThatReferToEachOtherThing:
    """ABaseAndKindsThatReferToEachOtherThing."""

    a: ABaseAndKindsThatReferToEachOtherCat | ABaseAndKindsThatReferToEachOtherDog


ABaseAndKindsThatReferToEachOtherPet: TypeAlias = (
    ABaseAndKindsThatReferToEachOtherCat | ABaseAndKindsThatReferToEachOtherDog
)


@attrs.frozen(kw_only=True)
class ABaseWithADiscriminatorAndKindsThing:
    """ABaseWithADiscriminatorAndKindsThing."""

    a: Seal | Bear | ABaseWithADiscriminatorAndKindsPet


AnExpressionThing: TypeAlias = AnExpressionLeaf | AnExpressionAnd


@attrs.frozen(kw_only=True)
class ASchemaThatIsAReferenceThing:
    """ASchemaThatIsAReferenceThing."""

    a: ASchemaThatIsAReferencePart | None = None


ASchemaThatIsAReferenceAlias: TypeAlias = ASchemaThatIsAReferencePart


@attrs.frozen(kw_only=True)
class AReferenceIntoASchemaThing:
    """AReferenceIntoASchemaThing."""

    a: B | None = None


@attrs.frozen(kw_only=True)
class AReferenceIntoASchemaPart:
    """AReferenceIntoASchemaPart."""

    b: AReferenceIntoASchemaPartB | None = None


@attrs.frozen(kw_only=True)
class DefinitionsInsideThing:
    """DefinitionsInsideThing."""

    a: Part | None = None


@attrs.frozen(kw_only=True)
class ANameThatIsEscapedThing:
    """ANameThatIsEscapedThing."""

    a: BCD | None = None

    b_c_d: ANameThatIsEscapedThingBCD | None = attrs.field(default=None, metadata={"wire": "b/c~d"})


@attrs.frozen(kw_only=True)
class AnObjectInAnObjectInAnObjectThingAB:
    """AnObjectInAnObjectInAnObjectThingAB."""

    c: AnObjectInAnObjectInAnObjectThingABC | None = None


@attrs.frozen(kw_only=True)
class SchemasCalledAsImportsThing:
    """SchemasCalledAsImportsThing."""

    a: SchemasCalledAsImportsStrEnum | None = None

    b: SchemasCalledAsImportsAny | None = None

    c: SchemasCalledAsImportsOpenEnum | None = None

    d: SchemasCalledAsImportsdatetime | None = None

    e: SchemasCalledAsImportsstr | None = None


@attrs.frozen(kw_only=True)
class ObjectsByEnumerationsThing:
    """ObjectsByEnumerationsThing."""

    a: ObjectsByEnumerationsCard | ObjectsByEnumerationsCash | None = None


@attrs.frozen(kw_only=True)
class AnObjectInAnObjectInAnObjectThingA:
    """AnObjectInAnObjectInAnObjectThingA."""

    b: AnObjectInAnObjectInAnObjectThingAB | None = None


@attrs.frozen(kw_only=True)
class AnObjectInAnObjectInAnObjectThing:
    """AnObjectInAnObjectInAnObjectThing."""

    a: AnObjectInAnObjectInAnObjectThingA | None = None


@attrs.frozen(kw_only=True)
class TwoThatReferToEachOtherThing:
    """TwoThatReferToEachOtherThing."""

    a: TwoThatReferToEachOtherOther | None = None


@attrs.frozen(kw_only=True)
class TwoThatReferToEachOtherOther:
    """TwoThatReferToEachOtherOther."""

    b: tuple[TwoThatReferToEachOtherThing, ...] | None = None
