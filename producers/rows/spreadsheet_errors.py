"""The error texts that spreadsheet programs show instead of a result, in the languages of Excel and LibreOffice."""

import re

# Each language names the same seven errors. English first, then German, French, Spanish, Italian, Portuguese, Dutch,
# Polish, Russian, Danish, Norwegian, Swedish, Finnish, Turkish, Czech and Hungarian.
_ERRORS = """
    NULL DIV/0 VALUE REF NAME NUM GETTING_DATA SPILL CALC FIELD BLOCKED UNKNOWN CONNECT BUSY EXTERNAL PYTHON ERROR
    ERR TIMEOUT CIRCULAR CIRC SYNTAX TYPE ARRAY SUBTOTAL
    WERT BEZUG ZAHL ÜBERLAUF KALK FELD BLOCKIERT VERBINDEN UNBEKANNT
    VALEUR NOM NOMBRE NUL PROPAGATION EPARS CHAMP BLOQUE CONNEXION
    VALOR NOMBRE NUM NULO DESBORDAMIENTO CAMPO BLOQUEADO ¡VALOR ¡REF ¿NOMBRE ¡NUM ¡NULO ¡DIV/0 ¡DESBORDAMIENTO ¡CALC
    VALORE RIF NOME NULLO ESPANSIONE
    NÚM DESPEJAR
    WAARDE VERW NAAM GETAL LEEG DEEL/0 OVERLOOP
    ARG ADR NAZWA LICZBA ZERO ROZLANIE
    ЗНАЧ ССЫЛКА ИМЯ ЧИСЛО ПУСТО ДЕЛ/0 ПЕРЕНОС
    VÆRDI REFERENCE NAVN DIVISION/0 OVERLØB VERDI
    VÄRDEFEL REFERENS NAMN OGILTIGT SKÄRNING
    ARVO VIITTAUS NIMI LUKU TYHJÄ JAKO/0
    DEĞER BAŞV AD SAYI BOŞ SAYI/0
    HODNOTA ODKAZ NÁZEV ČÍSLO DĚLENÍ_NULOU
    ÉRTÉK HIV NÉV SZÁM NULLA ZÉRÓOSZTÓ
"""
_NOT_FOUND = "N/A NA N/A_N/A NV N/D N/DISP N/B Н/Д I/T SAKNAS PUUTTUU YOK NENÍ_K_DISPOZICI HIÁNYZIK"
"""The error of a lookup that found nothing, ``#N/A`` in English."""
_WITHOUT_SIGN = "NULL DIV/0 VALUE REF NAME NUM GETTING_DATA SPILL CALC WERT BEZUG ZAHL VALEUR VALOR WAARDE"
"""The errors that are recognised without their exclamation mark; others, such as ``#AD``, may be hashtags."""
_OF_REPORTS = "ERROR ERR MISSING DELETED INVALID NOACCESS MULTIVALUE UNAVAILABLE COMPUTATION NODATA"
"""The error texts of Access, Reporting Services, Smart View and BusinessObjects, which have no exclamation mark."""
_WITHIN_TEXT = re.compile(r"(?<!\w)#(?:(?:NULL|DIV/0|VALUE|REF|NUM|SPILL|CALC|FIELD)!|NAME\?|N/A(?![\w/]))")
_CODE = re.compile(r"Err:[0-9]{3}")


def _names(words: str) -> frozenset[str]:
    return frozenset(f"#{name.casefold()}" for name in words.split())


_NAMES, _BARE_NAMES, _NOT_FOUND_NAMES = _names(_ERRORS), _names(_WITHOUT_SIGN + " " + _OF_REPORTS), _names(_NOT_FOUND)


def is_not_found(text: str) -> bool:
    """Return whether a text is the error of a lookup that found nothing, with or without its exclamation mark."""
    return _name(text) in _NOT_FOUND_NAMES


def is_error(text: str) -> bool:
    """Return whether a text is another error of a spreadsheet, or contains an error: ``Rs #REF!``."""
    return (
        (_name(text) in _NAMES if text.endswith(("!", "?")) else _name(text) in _BARE_NAMES)
        or text.casefold() in ("loading...", "loading…")
        or _WITHIN_TEXT.search(text) is not None
        or _CODE.fullmatch(text) is not None
    )


def _name(text: str) -> str:
    return text.casefold().rstrip("!?").rstrip().replace(" ", "_") if text.startswith("#") else ""
