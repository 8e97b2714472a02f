"""Recognises the kind of a file by its first bytes, because names are often wrong: many .xls files are HTML pages."""

import re
import zipfile
from enum import Enum
from pathlib import Path

_HEAD_BYTES = 4096
_HTML = re.compile(rb"\s*(?:<!doctype html|<html|<head|<meta|<table|<style|<body|<div|<script)", re.IGNORECASE)
_JSON = re.compile(rb"\s*(?:\[\s*)?\{\s*\"")
_UTF8_MARK = b"\xef\xbb\xbf"
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"
_UNPACKING_SUFFIXES = (".parquet", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


class Kind(Enum):
    """The kind of a file; each value names the kind in words."""

    XLSX = "an Excel workbook (.xlsx)"
    XLS = "an Excel workbook of the old format (.xls)"
    XLSB = "a binary Excel workbook (.xlsb)"
    ODS = "an OpenDocument workbook (.ods)"
    ENCRYPTED = "a workbook with a password"
    ZIP = "a ZIP archive"
    GZIP = "compressed with gzip"
    PARQUET = "a Parquet file"
    PDF = "a PDF document"
    RTF = "a text document (.rtf)"
    MIME = "a web page of one file (.mht)"
    HTML = "a page of HTML"
    XML = "an XML document"
    TSV = "text that tabs separate"
    CSV = "text that commas or semicolons separate"
    JSON = "JSON"
    TEXT = "text"
    OTHER = "of an unknown kind"

    @property
    def is_text(self) -> bool:
        """Whether a file of this kind can be read as CSV."""
        return self in (Kind.TSV, Kind.CSV, Kind.JSON, Kind.TEXT, Kind.OTHER)


def may_unpack(path: Path) -> bool:
    """Return whether a file may unpack to far more than its size: a workbook or Parquet, by name or first bytes."""
    if path.suffix.lower() in _UNPACKING_SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(4) in (_ZIP, _OLE, b"PAR1")


def kind_of(path: Path) -> Kind:
    """Return the kind of a file by its contents."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_ZIP):
        return _kind_of_archive(path)
    if head.startswith(_OLE):
        return Kind.ENCRYPTED if _ENCRYPTED in path.read_bytes() else Kind.XLS
    if head.startswith((b"\x09\x08", b"\x09\x04", b"\x09\x02", b"\x09\x00")) and head[2:4] in (
        b"\x10\0",
        b"\x08\0",
        b"\x06\0",
        b"\x04\0",
    ):
        return Kind.XLS
    for start, kind in (
        (b"\x1f\x8b", Kind.GZIP),
        (b"PAR1", Kind.PARQUET),
        (b"%PDF", Kind.PDF),
        (b"{\\rtf", Kind.RTF),
        (b"MIME-Version:", Kind.MIME),
    ):
        if head.startswith(start):
            return kind
    return _kind_of_text(head.removeprefix(_UTF8_MARK))


def _kind_of_archive(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.replace("\\", "/").lower() for name in archive.namelist()}
            if "content.xml" in names and "mimetype" in names:
                return Kind.ODS
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return Kind.XLSX  # probably a damaged archive
    if any(name.endswith("workbook.bin") for name in names):
        return Kind.XLSB
    return Kind.XLSX if "[content_types].xml" in names else Kind.ZIP


def _kind_of_text(head: bytes) -> Kind:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        # Text in UTF-16, as Excel writes "Unicode text".
        head = head.decode("utf-16", "ignore").encode()
    if _HTML.match(head):
        return Kind.HTML
    if head.lstrip().startswith(b"<?xml"):
        return Kind.HTML if re.search(rb"<html", head, re.IGNORECASE) else Kind.XML
    if b"\0" in head:
        return Kind.OTHER
    if _JSON.match(head):
        return Kind.JSON
    first_line = head.lstrip().partition(b"\n")[0]
    if b"\t" in first_line:
        return Kind.TSV
    return Kind.CSV if b"," in first_line or b";" in first_line else Kind.TEXT
