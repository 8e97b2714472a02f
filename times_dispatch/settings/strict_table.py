"""What every table of ``dispatch.toml`` has in common."""

from pydantic import BaseModel, ConfigDict


class StrictTable(BaseModel):
    """A table of the file: types as written, and a key that it does not know is a mistake."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)
