"""How the pages are looked at by `make screenshots`: sizes, themes, languages, and what
people need who see or move differently."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.servers import ROOT

FOLDER = Path(os.environ.get("SCREENSHOTS", ROOT / "var/screenshots"))
# What sticks to the window would lie somewhere over the whole page.
_AT_LENGTH = """() => {
  scrollTo(0, 0);
  for (const dock of document.querySelectorAll('.dock')) dock.style.position = 'static';
}"""


@dataclass(frozen=True)
class Look:
    """A browser window and who sits before it; its pictures lie in a folder `name`."""

    name: str
    width: int
    height: int
    dark: bool = False
    language: str = "en"
    media: dict[str, Any] = field(default_factory=dict)

    @property
    def is_phone(self) -> bool:
        return self.width < 500

    @property
    def options(self) -> dict[str, Any]:
        """Of the browser's context."""
        return {
            "viewport": {"width": self.width, "height": self.height},
            "color_scheme": "dark" if self.dark else "light",
            "has_touch": self.is_phone,
            "is_mobile": self.is_phone,
            "locale": self.language,
            "forced_colors": self.media.get("forced_colors"),
        }

    def take(self, page: Page, name: str, *, whole: bool = True) -> None:
        """A picture of the page as it is, of all its length unless `whole` is false;
        on paper a PDF."""
        folder = FOLDER / self.name
        folder.mkdir(parents=True, exist_ok=True)
        if self.media.get("media") == "print":
            page.pdf(path=folder / f"{name}.pdf", format="A4", print_background=False)
        else:
            if whole:
                page.evaluate(_AT_LENGTH)
            page.screenshot(path=folder / f"{name}.png", full_page=whole)


_DESKTOP = (1280, 800)
LOOKS = [
    Look("desktop-light", *_DESKTOP),
    Look("desktop-dark", *_DESKTOP, dark=True),
    Look("phone-light", 360, 740),
    Look("phone-dark", 390, 844, dark=True),
    Look("tablet-light", 768, 1024),
    Look("wide-light", 2560, 1300),
    Look("wide-dark", 2560, 1300, dark=True),
    Look("hebrew-desktop", *_DESKTOP, language="he"),
    Look("hebrew-phone", 360, 740, dark=True, language="he"),
    Look("german-desktop", *_DESKTOP, dark=True, language="de"),
    Look("german-phone", 360, 740, language="de"),
    # A window of 1280 by 1024 at 400 %.
    Look("enlarged", 320, 256),
    Look("forced-colours", *_DESKTOP, dark=True, media={"forced_colors": "active"}),
    Look("paper", *_DESKTOP, media={"media": "print"}),
]
