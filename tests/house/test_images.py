"""Each foreign container image is named by a whole version, so that a later build uses the same image."""

import re

from tests.house.tree import ROOT

_FILES = [ROOT / "Dockerfile", ROOT / "docker-compose.yml", *sorted((ROOT / "kubernetes").glob("*.yaml"))]
_NAMED = re.compile(r"^\s*(?:FROM|image:|- image:) (\S+)", re.MULTILINE)
_PINNED = re.compile(r".+(:v?\d+\.\d+\.\d+(-\S+)?|@sha256:[0-9a-f]{64})")


def test_every_foreign_image_is_named_by_a_whole_version_and_each_by_one_only() -> None:
    images = {image for path in _FILES for image in _NAMED.findall(path.read_text("utf-8"))}
    foreign = {image for image in images if not image.startswith("times-dispatch:")}

    assert len(foreign) >= 4
    assert [image for image in sorted(foreign) if not _PINNED.fullmatch(image)] == []
    names = [re.split("[:@]", image)[0] for image in foreign]
    assert len(names) == len(set(names))


def test_the_image_is_built_in_two_stages_and_its_processes_are_not_root() -> None:
    build, final = re.split(r"^FROM .*$", _FILES[0].read_text("utf-8"), flags=re.MULTILINE)[1:]

    assert "pip install" in build
    assert "COPY --from=build" in final
    assert "RUN pip" not in final
    (user,) = re.findall(r"^USER (\S+)$", final, re.MULTILINE)
    assert int(user) > 0  # Kubernetes proves "not root" by a number only
