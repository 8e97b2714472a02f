"""Secret texts and bytes, which no repr shows."""


class Secret(str):
    """A text whose repr hides it, so that no dataclass, container or traceback shows the text by accident."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(***)" if self else "Secret()"


class SecretBytes(bytes):
    """Bytes whose repr hides them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "SecretBytes(***)" if self else "SecretBytes()"
