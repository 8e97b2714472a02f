"""The words that portals and panels use for categories."""

from pathlib import Path

import pytest

from producers.registry.merge import Merge
from producers.registry.portal import PortalDownload, is_approved
from times_dispatch.settings.tables.senders import SenderSettings
from times_dispatch.sms.rules.categories import Category, category_from_portal


@pytest.mark.parametrize(
    ("word", "category"),
    [
        ("Promotional", "promotional"),
        ("Promotional (P)", "promotional"),
        ("Promotional SMS", "promotional"),
        ("PROMO", "promotional"),
        ("Service Explicit", "promotional"),
        ("Service Explicit (SE)", "promotional"),
        ("Service/Explicit", "promotional"),
        ("SERVICE_EXPLICIT", "promotional"),
        ("Service Implicit (SI)", "service"),
        ("Service-Implicit", "service"),
        ("Service Inferred", "service"),
        ("Transactional", "transactional"),
        ("Transactional (OTP)", "transactional"),
        ("Otp SMS", "transactional"),
        ("Government", "government"),
        ("Govt. (G)", "government"),
        ("Service Imp", "service"),
        ("Svc-Impl", "service"),
        ("ServiceImplicit", "service"),
        ("SERV_IMP", "service"),
        ("SI", "service"),
        ("Service", "service"),
        ("Service Message (Inferred)", "service"),
        ("SE", "promotional"),
        ("Svc Expl", "promotional"),
        ("SERVICE_EXP", "promotional"),
        ("ServiceExplicit", "promotional"),
        ("P", "promotional"),
        ("Promotion", "promotional"),
        ("Marketing", "promotional"),
        ("T", "transactional"),
        ("TXN", "transactional"),
        ("Trans.", "transactional"),
        ("Transaction SMS", "transactional"),
        ("Govt Communication", "government"),
        ("Government Communications", "government"),
        ("G", "government"),
        ("Service Implicit (English)", "service"),
        ("DLT Transactional - Unicode", "transactional"),
    ],
)
def test_every_wording_of_a_category_is_known(word: str, category: Category) -> None:
    assert category_from_portal(word) == category


@pytest.mark.parametrize(
    "word",
    [
        *("Transactional/Promotional", "Non-promotional", "Service Implicit/Explicit", "Werbung", "Category 7"),
        *("Promotional Banking", "Govt/Promotional Communication", "TXN/SI"),
    ],
)
def test_a_row_with_an_unknown_word_is_refused(tmp_path: Path, word: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"Template ID,Header,Template Type,Content\n1107161786534401928,TIMESM,{word},Hello\n")
    merge = Merge({}, elsewhere={}, senders={"TIMESM": SenderSettings(category="service")})

    merge.add(PortalDownload(path).rows())

    [refused] = merge.refused
    assert refused.reason.startswith(f"its category {word!r} is unknown: write promotional, service")


@pytest.mark.parametrize(
    "status",
    ["Approved", "REGISTERED VIA AIRTEL", "Active", "Verified", "Success", "Successful", "Whitelisted", "White-listed"],
)
def test_every_wording_of_approved_is_known(status: str) -> None:
    assert is_approved(status)


@pytest.mark.parametrize(
    "status",
    [
        *("In-active", "De-activated", "Approved, revoked", "Registered (blocked)", "Unverified", "Not whitelisted"),
        *("Verification pending", "Success - submitted", "Successfully submitted", "Under verification", "Blacklisted"),
        *("To be verified", "Disapproved", "Dis-approved", "Failed"),
    ],
)
def test_a_template_that_was_active_once_is_not_imported(tmp_path: Path, status: str) -> None:
    path = tmp_path / "a.csv"
    heading = "Template ID,Header,Template Type,Template Content,Status"
    row = f'1107161786534401928,TIMESM,Service Implicit,Hello {{#var#}}. - TIMES,"{status}"'
    path.write_text(f"{heading}\n{row}\n", encoding="utf-8")
    merge = Merge({}, elsewhere={}, senders={"TIMESM": SenderSettings(category="service")})

    merge.add(PortalDownload(path).rows())

    [refused] = merge.refused
    assert refused.reason == f"its status is {status}: only approved templates can be used"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Ren\ufffde, hello {#var#}", "text: holds U+FFFD"),
        ("RenÃ©e, hello {#var#}", "text: was read in a wrong encoding"),
        ("Hello {{#var#}}", "text: {{#var#}} looks like a placeholder"),
        ("Hello %1$s", "text: %1$s looks like a placeholder"),
    ],
)
def test_a_damaged_text_is_not_imported(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "a.csv"
    heading = "Template ID,Header,Template Type,Template Content,Status"
    path.write_text(f'{heading}\n1107161786534401928,TIMESM,Service,"{text}",Active\n', encoding="utf-8")
    merge = Merge({}, elsewhere={}, senders={"TIMESM": SenderSettings(category="service")})

    merge.add(PortalDownload(path).rows())

    [refused] = merge.refused
    assert refused.reason.startswith(reason)
