"""The file ``.env`` beside the settings file: variables that need not be in the environment, see ``dispatch init``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from honcho.environ import parse

from times_dispatch.settings.errors import SettingsInvalid

NAME: Final = ".env"
_FILE: Final = "_FILE"


def with_env_file(variables: Mapping[str, str], settings_path: Path) -> dict[str, str]:
    """Return variables together with those of ``.env`` in the folder of the settings file.

    A variable of the environment overrides the file, also if one of the two is given as ``NAME_FILE``. A relative path
    in a ``NAME_FILE`` of the file begins at the file's folder.

    Args:
        variables: the environment.
        settings_path: the path of the settings file, which need not exist.

    Raises:
        SettingsInvalid: the file is there and cannot be read.
    """
    path = settings_path.parent / NAME
    try:
        content = path.read_text("utf-8")
    except FileNotFoundError:
        return dict(variables)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8"
        raise SettingsInvalid([f"{path}: cannot be read: {reason.lower()}"]) from error
    try:
        of_file = parse(content)
    except ValueError as error:
        raise SettingsInvalid([f"{path}: cannot be read: {str(error).lower()}"]) from error
    given = {name.removesuffix(_FILE) for name, value in variables.items() if value}
    added = {
        name: str(path.parent / value) if name.endswith(_FILE) and value else value
        for name, value in of_file.items()
        if name.removesuffix(_FILE) not in given
    }
    return {**variables, **added}
