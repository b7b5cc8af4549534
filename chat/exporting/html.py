"""A conversation as one HTML file: styles inside, no scripts, nothing loaded. The PDF
is printed from the same."""

from __future__ import annotations

import re

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from chat.exporting.transcript import Entry, Transcript, ending
from chat.models import Message
from chat.parts import is_tool
from chat.rendering import render_markdown
from chat.toolview import tool_view

_KANA = re.compile("[\u3041-\u30ff]")
_HANGUL = re.compile("[\u1100-\u11ff\uac00-\ud7af]")
_HAN = re.compile("[\u3400-\u9fff]")
# The first letter of a script that is written from one side decides, as in browsers.
_STRONG = re.compile(
    "(?P<rtl>[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc])|[A-Za-z\u00c0-\u058f\u0900-\ud7ff]"
)


_BLOCK = re.compile(r"<(p|li|h[3-6]|td|th)\b([^>]*)>(?=(.{0,300}))", re.DOTALL)
_TAG = re.compile(r"<[^>]*>?")


def transcript_html(transcript: Transcript) -> str:
    return render_to_string(
        "chat/conversation_export.html",
        {
            "transcript": transcript,
            "entries": [
                {
                    "entry": entry,
                    "message": entry.message,
                    "ending": ending(entry.message),
                    "lang": _language(entry),
                    "dir": _direction(entry.message.text),
                    "reply": _reply(entry.message),
                    "tools": list(map(tool_view, filter(is_tool, entry.message.parts))),
                }
                for entry in transcript.entries
            ],
        },
    )


def _language(entry: Entry) -> str:
    """Where it decides the shape of a character: Chinese and Japanese share code
    points and not glyphs."""
    text = entry.message.text
    if _KANA.search(text):
        return "ja"
    if _HANGUL.search(text):
        return "ko"
    return "zh" if _HAN.search(text) else ""


def _direction(text: str) -> str:
    """Empty where no letter says."""
    first = _STRONG.search(text)
    if first is None:
        return ""
    return "rtl" if first["rtl"] else "ltr"


def _reply(message: Message) -> SafeString:
    """The text as HTML; where it has a script that runs to the left, each block says
    its own direction, which browsers would find out but printing does not."""
    if message.role == Message.Role.USER:
        return mark_safe("")
    html = render_markdown(message.text)
    if not any(found["rtl"] for found in _STRONG.finditer(message.text)):
        return html
    # Attributes of ours on elements that are there.
    return mark_safe(_BLOCK.sub(_directed, html))  # noqa: S308


def _directed(block: re.Match[str]) -> str:
    direction = _direction(_TAG.sub("", block[3]))
    said = f' dir="{direction}"' if direction else ""
    return f"<{block[1]}{block[2]}{said}>"
