"""The file ``.env`` beside the settings file: variables that need not be in the environment, see ``dispatch init``."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from times_dispatch.bounded_file import read_bounded
from times_dispatch.settings.errors import SettingsInvalid

NAME: Final = ".env"
_FILE: Final = "_FILE"
_BYTE_ORDER_MARK: Final = "\ufeff"


class EnvFileUnreadable(SettingsInvalid):
    """The file exists, but cannot be opened or read."""


def with_env_file(
    variables: Mapping[str, str], settings_path: Path, *, needed: str | tuple[str, ...] = ""
) -> dict[str, str]:
    """Return the given variables together with the variables of ``.env`` in the folder of the settings file.

    A variable of the environment overrides the file, even if one of the two is given as ``NAME_FILE``. A relative path
    in a ``NAME_FILE`` of the file begins at the file's folder.

    Args:
        variables: the environment.
        settings_path: the path of the settings file, which need not exist.
        needed: the beginnings of the names of the variables that the caller needs. A mistake in another variable, or in
            a variable that the environment gives, is ignored.

    Raises:
        EnvFileUnreadable: the file exists, but cannot be read.
        SettingsInvalid: a line has a mistake.
    """
    path = settings_path.parent / NAME
    try:
        # A character that is not UTF-8 affects only its own line. Editors of Windows write a byte order mark first.
        encoded = read_bounded(path)
        content = encoded.decode(errors="surrogateescape").removeprefix(_BYTE_ORDER_MARK)
    except FileNotFoundError:
        return dict(variables)
    except OSError as error:
        raise EnvFileUnreadable([f"{path}: cannot be read: {(error.strerror or 'unknown reason').lower()}"]) from error
    if encoded.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise EnvFileUnreadable([f"{path}: cannot be read: it is UTF-16; save it as UTF-8"])
    from honcho.environ import parse  # noqa: PLC0415  # needed only for a file

    given = {name.removesuffix(_FILE) for name, value in variables.items() if value}

    def matters(name: str) -> bool:
        return name.startswith(needed) and name.removesuffix(_FILE) not in given

    of_file = dict[str, str]()
    for number, line in enumerate(content.splitlines(), start=1):
        if not _is_utf8(line):
            if matters(_name(line)):
                raise SettingsInvalid([f"{path}:{number}: cannot be read: it is not UTF-8"])
            continue
        try:
            of_file |= parse(line)
        except ValueError as error:  # a quote is not closed
            if matters(_name(line)):
                raise SettingsInvalid([f"{path}: cannot be read: {str(error).lower()}"]) from error
    cut = [_name(line) for line in content.splitlines() if _is_cut(line)]
    if cut := [name for name in cut if matters(name)]:
        raise SettingsInvalid([f"{path}: {name}: a value with a blank or # stands in quotes" for name in cut])
    added = {
        name: str(path.parent / value) if name.endswith(_FILE) and value else value
        for name, value in of_file.items()
        if name.removesuffix(_FILE) not in given
    }
    return {**variables, **added}


def _name(line: str) -> str:
    return line.partition("=")[0].strip()


def _is_utf8(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:  # each byte that was not UTF-8 was decoded into a lone surrogate
        return False
    return True


def _is_cut(line: str) -> bool:
    """Say whether the value of a line would silently lose its end, because of a blank or # without quotes."""
    name, equals, value = line.strip().partition("=")
    value = value.strip()
    is_plain = not name.startswith("#") and bool(equals) and not value.startswith(("'", '"'))
    return is_plain and any(character in value for character in " \t#")
