"""The corpus: how often the rules of the DLT are wrong, in both directions, on generated and on public texts."""

from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import distributions

from benchmarks.corpus_texts import (
    CATEGORY,
    LINK,
    NUMBER,
    RECIPIENT,
    SLOT,
    SPELLING,
    WHITELISTED_LINKS,
    WHITELISTED_NUMBERS,
    CorpusSample,
    samples,
)
from benchmarks.figures import Figure
from benchmarks.phone_links import is_clickable
from times_dispatch.sms.numbers import NumberInvalid, normalise
from times_dispatch.sms.placeholders import right_spelling
from times_dispatch.sms.rules import links
from times_dispatch.sms.rules.categories import category_from_portal
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.rules.number_whitelist import NumberWhitelist
from times_dispatch.sms.templates import Template, TemplateInvalid

SAMPLES = 140_000
_MIN_CAUGHT_PERCENT = 99.0
_MAX_FALSE_PER_THOUSAND = 1.0
_MIN_LINE, _MAX_LINE = 20, 400
"""The length, in characters, of public texts that are compared."""
_MIN_PUBLIC_TEXTS = 2_000

_LINKS = LinkWhitelist(WHITELISTED_LINKS)
_NUMBERS = NumberWhitelist(WHITELISTED_NUMBERS)


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Apply the rules to all samples and all public texts."""
    say(f"{SAMPLES:,} samples")
    return [*_sample_figures(samples(SAMPLES)), *_public_figures(set(public_texts()), say)]


def is_refused(sample: CorpusSample) -> bool:
    """Return whether the rules refuse a sample."""
    return _JUDGES[sample.rule](sample)


def public_texts() -> Iterator[str]:
    """Yield lines of the descriptions of all installed packages: public texts with names, links and numbers."""
    for distribution in distributions():
        if distribution.name == "times-dispatch":  # this project's README is no independent text
            continue
        description = distribution.read_text("METADATA") or ""
        yield from (line.strip() for line in description.splitlines() if _MIN_LINE <= len(line.strip()) <= _MAX_LINE)


def _is_misspelt(sample: CorpusSample) -> bool:
    try:
        return any(map(right_spelling, Template(sample.text).literals))
    except TemplateInvalid:
        return True


def _is_no_recipient(sample: CorpusSample) -> bool:
    try:
        normalise(sample.text)
    except NumberInvalid:
        return True
    return False


_JUDGES: dict[str, Callable[[CorpusSample], bool]] = {
    LINK: lambda sample: bool(_LINKS.missing(sample.text)),
    NUMBER: lambda sample: bool(_NUMBERS.missing(sample.text)),
    SLOT: lambda sample: Template(f"{{#{sample.kind}#}}").slots[0].check(sample.text) is not None,
    RECIPIENT: _is_no_recipient,
    CATEGORY: lambda sample: category_from_portal(sample.text) is None,
    SPELLING: _is_misspelt,
}


def _sample_figures(judged: Iterator[CorpusSample]) -> Iterator[Figure]:
    count: Counter[tuple[str, bool, bool]] = Counter()
    for sample in judged:
        count[sample.rule, sample.is_bad, is_refused(sample)] += 1
    for rule in _JUDGES:
        caught, missed = count[rule, True, True], count[rule, True, False]
        wrong, right = count[rule, False, True], count[rule, False, False]
        yield Figure(
            name=f"{rule}, caught",
            value=100 * caught / (caught + missed),
            unit="%",
            must=_MIN_CAUGHT_PERCENT,
            note=f"{missed:,} of {caught + missed:,} bad samples missed",
        )
        yield Figure(
            name=f"{rule}, falsely refused",
            value=1000 * wrong / (wrong + right),
            unit="in 1,000",
            better="less",
            must=_MAX_FALSE_PER_THOUSAND,
            note=f"{wrong:,} of {wrong + right:,} good samples",
        )


def _public_figures(texts: set[str], say: Callable[[str], None]) -> Iterator[Figure]:
    say(f"{len(texts):,} public texts")
    clickable = {text for text in texts if is_clickable(text)}
    ours = {text for text in texts if links.find(text)}
    missed, extra = clickable - ours, ours - clickable
    note = f"{len(texts):,} public texts, {len(clickable):,} with a link for Android"
    yield Figure(name="public texts, compared", value=len(texts), unit="", must=_MIN_PUBLIC_TEXTS)
    yield Figure(
        name="public texts, links of Android missed",
        value=1000 * len(missed) / len(texts),
        unit="in 1,000",
        better="less",
        note=f"{len(missed):,} of {note}",
    )
    yield Figure(
        name="public texts, links that Android does not make",
        value=1000 * len(extra) / len(texts),
        unit="in 1,000",
        better="less",
        note=f"{len(extra):,} of {note}",
    )
