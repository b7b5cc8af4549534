"""The fonts a PDF is set in. They come as packages from PyPI, so that a PDF looks the
same on every machine, whatever fonts that has."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile
from xml.sax.saxutils import escape

from django.conf import settings

# Noto for the scripts of the world, one for Chinese, Japanese and Korean, one for code.
_FOLDERS = (
    "manimgx_fonts",
    "noto_cjk_sans_jp_regular",
    "noto_cjk_sans_jp_bold",
    "fontpkg_jetbrains_mono",
)
# Of this package two fonts are used, and it has them inside Python modules.
_PACKED = (
    "pymupdf_fonts.NotoSansMath_Regular",
    "pymupdf_fonts.NotoSansSymbols2_Regular",
)


@lru_cache(maxsize=1)
def fonts_conf() -> Path:
    """Fontconfig's configuration, written once for each process; it keeps its cache
    beside it."""
    folder = Path(settings.DATA_DIR) / "fonts"
    folder.mkdir(parents=True, exist_ok=True)
    for name in _PACKED:
        target = folder / f"{name.rpartition('.')[2]}.otf"
        if not target.exists():
            _replace(target, import_module(name).fontbuffer)
    folders = [*map(_folder_of, _FOLDERS), str(folder)]
    lines = [f"<dir>{escape(place)}</dir>" for place in folders]
    lines.append(f"<cachedir>{escape(str(folder / 'cache'))}</cachedir>")
    text = f'<?xml version="1.0"?><fontconfig>{"".join(lines)}</fontconfig>'
    _replace(folder / "fonts.conf", text.encode())
    return folder / "fonts.conf"


def _folder_of(package: str) -> str:
    """Where a package lies, without running it."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise FileNotFoundError(f"The font package {package} is not installed.")
    return places[0]


def _replace(target: Path, content: bytes) -> None:
    """At once, for other processes do the same."""
    with NamedTemporaryFile(dir=target.parent, delete=False) as new:
        new.write(content)
    os.replace(new.name, target)  # noqa: PTH105  # by names, both of this folder
