"""Numbers with their nouns, in the singular or in the plural, for all texts that people read."""


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its words: ``1 message`` or ``1,200 messages``; by default the plural ends in s."""
    return f"{number:,} {singular}" if number == 1 else f"{number:,} {plural or f'{singular}s'}"
