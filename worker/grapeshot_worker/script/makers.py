"""What each fake-data function makes: a table of names, and the few ways to make values that its rows use.

Leaves to others: binding a row to its options and its source of randomness (fake), and the words themselves
(the Faker library).

E-mail addresses lie in example.com, .net and .org unless an option says otherwise: these belong to nobody,
and a test must not write to real people. Moments are ISO texts with milliseconds, in UTC.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Where fake data comes from: Faker's words, its random numbers, and the time (epoch seconds)."""

    faker: Any
    rng: random.Random
    now: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Maker:
    """One function: how it makes a value, and its options, the one of a call's number first."""

    make: Callable[[Source, Options], Any]
    options: tuple[str, ...] = ()


# ---- ways to make values ----


def _plain(method: str) -> Maker:
    """Make what a method of Faker gives."""
    return Maker(lambda source, _: getattr(source.faker, method)())


def _one_of(*choices: str) -> Maker:
    return Maker(lambda source, _: source.rng.choice(choices))


def _by_sex(method: str) -> Maker:
    def make(source: Source, options: Options) -> Any:
        sex = options.get("sex", options.get("gender"))
        return getattr(source.faker, f"{method}_{sex}" if sex in ("male", "female") else method)()

    return Maker(make, ("sex", "gender"))


def _integer(low: int, high: int) -> Maker:
    def make(source: Source, options: Options) -> int:
        least, most = sorted((_whole(options.get("min"), low), _whole(options.get("max"), high)))
        return source.rng.randint(least, most)

    return Maker(make, ("max", "min"))


def _decimal(low: float, high: float, digits: int) -> Maker:
    def make(source: Source, options: Options) -> float:
        least, most = _real(options.get("min"), low), _real(options.get("max"), high)
        precision = _whole(options.get("fractionDigits", options.get("fraction")), digits)
        return round(source.rng.uniform(least, most), precision)

    return Maker(make, ("max", "min", "fractionDigits", "fraction"))


def _price(source: Source, options: Options) -> str:
    return f"{source.rng.uniform(_real(options.get('min'), 1), _real(options.get('max'), 1000)):.2f}"


def _letters(alphabet: str, length: int) -> Maker:
    def make(source: Source, options: Options) -> str:
        return "".join(source.rng.choices(alphabet, k=max(0, _whole(options.get("length"), length))))

    return Maker(make, ("length",))


def _several(method: str, count: int, glue: str) -> Maker:
    """Join `count` words, sentences or paragraphs."""

    def make(source: Source, options: Options) -> str:
        wanted = _whole(options.get("count", options.get("length")), count)
        return glue.join(getattr(source.faker, method)() for _ in range(max(0, wanted)))

    return Maker(make, ("count", "length"))


def _date(option: str, unit: timedelta, first: float, last: float) -> Maker:
    """Make a moment, in ISO form, between `first` and `last` times the option's value (1) units from now."""

    def make(source: Source, options: Options) -> str:
        span = unit.total_seconds() * _real(options.get(option), 1)
        return _iso(source.now() + span * source.rng.uniform(first, last))

    return Maker(make, (option,))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _birthdate(source: Source, options: Options) -> str:
    age = source.rng.uniform(_real(options.get("min"), 18), _real(options.get("max"), 80))
    return _iso(source.now() - age * 365.25 * 86_400)


def _email(source: Source, options: Options) -> str:
    first = str(options.get("firstName") or source.faker.first_name())
    last = str(options.get("lastName") or source.faker.last_name())
    provider = options.get("provider") or f"example.{source.rng.choice(('com', 'net', 'org'))}"
    if "." not in str(provider):
        provider = f"{provider}.{options.get('suffix') or 'com'}"
    glue = options.get("nameSeparator", ".")
    return f"{first}{glue}{last}{source.rng.randint(0, 9999)}@{provider}".lower().replace(" ", "")


def _user_name(source: Source, options: Options) -> str:
    first = str(options.get("firstName") or source.faker.first_name())
    last = str(options.get("lastName") or source.faker.last_name())
    return f"{first}_{last}{source.rng.randint(0, 99)}".replace(" ", "")


def _uuid(source: Source, _: Options) -> str:
    return str(uuid.UUID(int=source.rng.getrandbits(128), version=4))


def _ipv4(source: Source, _: Options) -> str:
    return ".".join(str(byte) for byte in source.rng.randbytes(4))


def _boolean(source: Source, options: Options) -> bool:
    return source.rng.random() < _real(options.get("probability", options.get("chanceTrue")), 0.5)


def _whole(value: Any, default: int) -> int:
    return int(_real(value, default))


def _real(value: Any, default: float) -> float:
    try:
        return default if value is None else float(value)
    except (TypeError, ValueError):
        return default


# ---- the table ----

_DIGITS, _HEX = "0123456789", "0123456789abcdef"
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_DAY, _YEAR = timedelta(days=1), timedelta(days=365)

_PERSON = {
    "personFirstName": _by_sex("first_name"),
    "personLastName": _plain("last_name"),
    "personMiddleName": _by_sex("first_name"),
    "personFullName": _by_sex("name"),
    "personPrefix": _by_sex("prefix"),
    "personSuffix": _one_of("Jr.", "Sr.", "I", "II", "III", "IV", "V", "MD", "DDS", "PhD", "DVM"),
    "personSex": _one_of("female", "male"),
    "personGender": _one_of("Female", "Male", "Non-binary", "Agender", "Genderfluid"),
    "personJobTitle": _plain("job"),
    "personJobArea": _one_of(
        "Sales", "Marketing", "Research", "Security", "Accounts", "Quality", "Logistics"
    ),
    "phoneNumber": _plain("phone_number"),
    "phoneImei": _letters(_DIGITS, 15),
}
_INTERNET = {
    "internetEmail": Maker(_email, ("provider", "firstName", "lastName", "nameSeparator", "suffix")),
    "internetExampleEmail": Maker(_email, ("firstName", "lastName")),
    "internetUserName": Maker(_user_name, ("firstName", "lastName")),
    "internetPassword": _letters(_UPPER + _LOWER + _DIGITS + "_", 15),
    "internetUrl": _plain("url"),
    "internetDomainName": _plain("domain_name"),
    "internetDomainWord": _plain("domain_word"),
    "internetDomainSuffix": _plain("tld"),
    "internetIp": Maker(_ipv4),
    "internetIpv4": Maker(_ipv4),
    "internetIpv6": _plain("ipv6"),
    "internetMac": _plain("mac_address"),
    "internetPort": _integer(0, 65_535),
    "internetProtocol": _one_of("http", "https"),
    "internetHttpMethod": _one_of("GET", "POST", "PUT", "DELETE", "PATCH"),
    "internetUserAgent": _plain("user_agent"),
    "internetEmoji": _plain("emoji"),
    "internetColor": _plain("hex_color"),
    "imageUrl": _plain("image_url"),
    "imageAvatar": _plain("image_url"),
}
_LOCATION = {
    "locationCity": _plain("city"),
    "locationCountry": _plain("country"),
    "locationCountryCode": _plain("country_code"),
    "locationState": _plain("state"),
    "locationStreet": _plain("street_name"),
    "locationStreetAddress": _plain("street_address"),
    "locationSecondaryAddress": _plain("secondary_address"),
    "locationBuildingNumber": _plain("building_number"),
    "locationZipCode": _plain("postcode"),
    "locationLatitude": _decimal(-90, 90, 4),
    "locationLongitude": _decimal(-180, 180, 4),
    "locationTimeZone": _plain("timezone"),
    "locationCardinalDirection": _one_of("North", "East", "South", "West"),
}
_TRADE = {
    "companyName": _plain("company"),
    "companyCatchPhrase": _plain("catch_phrase"),
    "companyBuzzPhrase": _plain("bs"),
    "commerceDepartment": _one_of("Books", "Garden", "Toys", "Music", "Grocery", "Sports", "Tools", "Health"),
    "commerceProduct": _one_of("Chair", "Car", "Table", "Shoes", "Bike", "Ball", "Hat", "Soap", "Salad"),
    "commerceProductName": Maker(lambda s, _: f"{s.faker.color_name()} {s.faker.word().title()}"),
    "commerceProductDescription": _plain("sentence"),
    "commercePrice": Maker(_price, ("max", "min")),
    "commerceIsbn": _plain("isbn13"),
    "financeAccountNumber": _letters(_DIGITS, 8),
    "financeAmount": Maker(_price, ("max", "min")),
    "financeBic": _plain("swift"),
    "financeIban": _plain("iban"),
    "financeCreditCardNumber": _plain("credit_card_number"),
    "financeCreditCardCVV": _letters(_DIGITS, 3),
    "financeCurrencyCode": _plain("currency_code"),
    "financeCurrencyName": _plain("currency_name"),
    "financePin": _letters(_DIGITS, 4),
    "vehicleVrm": _plain("license_plate"),
    "colorHuman": _plain("color_name"),
    "colorRgb": _plain("hex_color"),
}
_TEXT = {
    "loremWord": _plain("word"),
    "loremWords": _several("word", 3, " "),
    "loremSentence": _plain("sentence"),
    "loremSentences": _several("sentence", 3, " "),
    "loremParagraph": _plain("paragraph"),
    "loremParagraphs": _several("paragraph", 3, "\n"),
    "loremSlug": _several("word", 3, "-"),
    "loremText": _plain("text"),
    "loremLines": _several("sentence", 3, "\n"),
    "wordNoun": _plain("word"),
    "wordSample": _plain("word"),
    "wordWords": _several("word", 3, " "),
    "stringUuid": Maker(_uuid),
    "stringAlpha": _letters(_UPPER + _LOWER, 1),
    "stringAlphanumeric": _letters(_UPPER + _LOWER + _DIGITS, 1),
    "stringNumeric": _letters(_DIGITS, 1),
    "stringHexadecimal": _letters(_HEX, 1),
    "stringNanoid": _letters(_UPPER + _LOWER + _DIGITS + "_-", 21),
    "stringSample": _letters(_UPPER + _LOWER + _DIGITS, 10),
}
_SYSTEM = {
    "numberInt": _integer(0, 2**53 - 1),
    "numberFloat": _decimal(0, 1, 16),
    "numberHex": _letters(_HEX, 1),
    "datatypeBoolean": Maker(_boolean, ("probability", "chanceTrue")),
    "datatypeUuid": Maker(_uuid),
    "databaseMongodbObjectId": _letters(_HEX, 24),
    "gitCommitSha": _letters(_HEX, 40),
    "systemFileName": _plain("file_name"),
    "systemFileExt": _plain("file_extension"),
    "systemFilePath": _plain("file_path"),
    "systemMimeType": _plain("mime_type"),
    "systemSemver": Maker(lambda s, _: ".".join(str(s.rng.randint(0, 9)) for _ in range(3))),
    "dateRecent": _date("days", _DAY, -1, 0),
    "dateSoon": _date("days", _DAY, 0, 1),
    "datePast": _date("years", _YEAR, -1, 0),
    "dateFuture": _date("years", _YEAR, 0, 1),
    "dateAnytime": _date("years", _YEAR, -1, 1),
    "dateBirthdate": Maker(_birthdate, ("max", "min")),
    "dateMonth": _plain("month_name"),
    "dateWeekday": _plain("day_of_week"),
}
_NOW: Mapping[str, Maker] = {**_PERSON, **_INTERNET, **_LOCATION, **_TRADE, **_TEXT, **_SYSTEM}

_OLDER = {
    "randFirstName": "personFirstName",
    "randLastName": "personLastName",
    "randFullName": "personFullName",
    "randNamePrefix": "personPrefix",
    "randGender": "personGender",
    "randJobTitle": "personJobTitle",
    "randJobArea": "personJobArea",
    "randPhoneNumber": "phoneNumber",
    "randEmail": "internetEmail",
    "randUserName": "internetUserName",
    "randPassword": "internetPassword",
    "randUrl": "internetUrl",
    "randDomainName": "internetDomainName",
    "randDomainSuffix": "internetDomainSuffix",
    "randIp": "internetIp",
    "randIpv6": "internetIpv6",
    "randMac": "internetMac",
    "randPort": "internetPort",
    "randProtocol": "internetProtocol",
    "randHttpMethod": "internetHttpMethod",
    "randUserAgent": "internetUserAgent",
    "randEmoji": "internetEmoji",
    "randImg": "imageUrl",
    "randAvatar": "imageAvatar",
    "randCity": "locationCity",
    "randCountry": "locationCountry",
    "randCountryCode": "locationCountryCode",
    "randState": "locationState",
    "randStreetName": "locationStreet",
    "randStreetAddress": "locationStreetAddress",
    "randZipCode": "locationZipCode",
    "randLatitude": "locationLatitude",
    "randLongitude": "locationLongitude",
    "randTimeZone": "locationTimeZone",
    "randCompanyName": "companyName",
    "randCatchPhrase": "companyCatchPhrase",
    "randDepartment": "commerceDepartment",
    "randProduct": "commerceProduct",
    "randProductName": "commerceProductName",
    "randProductDescription": "commerceProductDescription",
    "randAmount": "financeAmount",
    "randAccount": "financeAccountNumber",
    "randBic": "financeBic",
    "randIban": "financeIban",
    "randCreditCardNumber": "financeCreditCardNumber",
    "randCreditCardCVV": "financeCreditCardCVV",
    "randCurrencyCode": "financeCurrencyCode",
    "randCurrencyName": "financeCurrencyName",
    "randColor": "colorHuman",
    "randHex": "colorRgb",
    "randIsbn": "commerceIsbn",
    "randWord": "loremWord",
    "randSentence": "loremSentence",
    "randParagraph": "loremParagraph",
    "randText": "loremText",
    "randLines": "loremLines",
    "randSlug": "loremSlug",
    "randUuid": "stringUuid",
    "randAlpha": "stringAlpha",
    "randAlphaNumeric": "stringAlphanumeric",
    "randNumber": "numberInt",
    "randFloat": "numberFloat",
    "randBoolean": "datatypeBoolean",
    "randChanceBoolean": "datatypeBoolean",
    "randMongodbObjectId": "databaseMongodbObjectId",
    "randGitCommitSha": "gitCommitSha",
    "randFileName": "systemFileName",
    "randFileExt": "systemFileExt",
    "randFilePath": "systemFilePath",
    "randMimeType": "systemMimeType",
    "randSemver": "systemSemver",
    "randRecentDate": "dateRecent",
    "randSoonDate": "dateSoon",
    "randPastDate": "datePast",
    "randFutureDate": "dateFuture",
    "randMonth": "dateMonth",
    "randWeekday": "dateWeekday",
}

MAKERS: Mapping[str, Maker] = {**_NOW, **{older: _NOW[newer] for older, newer in _OLDER.items()}}
