"""The settings form as a person sees it, drawn from spec.json: a page of its own, and a picture of it.

`python -m tools.docs.form` writes docs/form.png. It needs Chromium; the picture carries a digest of the page that it
was taken of, by which a test knows an outdated one.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image, ImageChops, PngImagePlugin

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "form.png"
DIGEST = "form"
"""The name of the text in the picture that holds the page's digest."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT, MARGIN = 880, 4000, 24
PATIENCE_SECONDS = 60

STYLE = """
body { background: #f4f5f9; color: #1b1b26; font: 15px/1.45 "DejaVu Sans", sans-serif; margin: 24px; width: 832px; }
h1 { font-size: 22px; margin: 0 0 4px; }
h2 { font-size: 17px; margin: 0 0 4px; }
section { background: #fff; border: 1px solid #dfe0ea; border-radius: 10px; margin-top: 18px; padding: 18px 22px; }
label { display: block; font-weight: bold; margin-top: 16px; }
label i { color: #6a6a83; font-size: 12px; font-style: normal; font-weight: normal; margin-left: 6px; }
p { margin: 3px 0 6px; }
p span, small { color: #6a6a83; font-size: 13px; }
small { display: block; margin-top: 4px; }
input, select { background: #fff; border: 1px solid #c3c4d3; border-radius: 6px; box-sizing: border-box; font: inherit;
  padding: 7px 10px; width: 100%; }
"""


def page(spec: Mapping[str, Any]) -> str:
    """The form of a ``connectionSpecification``, as HTML that needs nothing else."""
    settings = sorted(spec["properties"].items(), key=lambda item: item[1]["order"])
    groups = []
    for group in spec["groups"]:
        fields = [_field(name, one, spec["required"]) for name, one in settings if one["group"] == group["id"]]
        groups.append(f"<section>\n<h2>{html.escape(group['title'])}</h2>\n" + "\n".join(fields) + "\n</section>")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>Iterable</title><style>{STYLE}</style>\n'
        "<h1>Iterable</h1>\n<span>Settings of the source</span>\n" + "\n".join(groups) + "\n</html>\n"
    )


def first_sentence(description: str) -> str:
    """What a description says first."""
    return re.split(r"(?<=\.)\s", description)[0]


def digest(text: str) -> str:
    """By what a picture is known to be one of this page."""
    return hashlib.sha256(text.encode()).hexdigest()


def photograph(text: str, to: Path) -> None:
    """Write a picture of the page.

    Raises:
        FileNotFoundError: If there is no browser.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise FileNotFoundError(f"none of {', '.join(BROWSERS)} is installed")
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "form.html").write_text(text, "utf-8")
        options = (
            "--headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 "
            f"--disable-background-networking --user-data-dir={folder / 'profile'} "
            f"--window-size={WIDTH},{HEIGHT} --screenshot={folder / 'form.png'}"
        )
        subprocess.run(
            [browser, *options.split(), (folder / "form.html").as_uri()],
            check=True,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
        )
        with Image.open(folder / "form.png") as taken:
            picture = taken.convert("RGB")
    ground = Image.new("RGB", picture.size, picture.getpixel((0, 0)))
    box = ImageChops.difference(picture, ground).getbbox()
    bottom = box[3] + MARGIN if box else HEIGHT
    about = PngImagePlugin.PngInfo()
    about.add_text(DIGEST, digest(text))
    cut = picture.crop((0, 0, WIDTH, bottom)).quantize(64)
    cut.save(to, pnginfo=about, optimize=True)


def specification() -> Mapping[str, Any]:
    """The form's specification."""
    found: Mapping[str, Any] = json.loads((ROOT / "source_iterable" / "spec.json").read_text("utf-8"))
    specification_: Mapping[str, Any] = found["connectionSpecification"]
    return specification_


def main() -> int:
    """Take the picture, if it is not there yet; 1 if that cannot be done here."""
    text = page(specification())
    if PICTURE.exists() and taken_of(PICTURE) == digest(text):
        return 0
    try:
        photograph(text, PICTURE)
    except FileNotFoundError as error:
        sys.stderr.write(f"docs/form.png stays as it was: {error} (Debian: apt-get install chromium).\n")
        return 1
    return 0


def taken_of(picture: Path) -> str:
    """The digest of the page that a picture was taken of."""
    with Image.open(picture) as image:
        return str(image.info.get(DIGEST, ""))


def _field(name: str, setting: Mapping[str, Any], required: list[str]) -> str:
    description = setting["description"]
    first = first_sentence(description)
    rest = description[len(first) :]
    hint = f"<small>{html.escape(setting['pattern_descriptor'])}</small>\n" if "pattern_descriptor" in setting else ""
    return (
        f'<label for="{name}">{html.escape(setting["title"])}'
        f"<i>{'required' if name in required else 'optional'}</i></label>\n"
        f"<p>{html.escape(first)}<span>{html.escape(rest)}</span></p>\n{_control(name, setting)}\n{hint}"
    )


def _control(name: str, setting: Mapping[str, Any]) -> str:
    default = html.escape(str(setting.get("default", "")))
    if "enum" in setting:
        options = "".join(
            f"<option{' selected' if str(value) == default else ''}>{html.escape(str(value))}</option>"
            for value in setting["enum"]
        )
        return f'<select id="{name}">{options}</select>'
    kind = "password" if setting.get("airbyte_secret") else "number" if setting["type"] == "integer" else "text"
    example = html.escape(str(setting["examples"][0])) if "examples" in setting else ""
    shown = "•" * 24 if kind == "password" else ""
    return f'<input id="{name}" type="{kind}" value="{default}" placeholder="{example or shown}">'


if __name__ == "__main__":
    sys.exit(main())
