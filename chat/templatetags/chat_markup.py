"""Filters that turn a stored message into what the page shows of it."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

from chat.models import Message
from chat.parts import is_tool
from chat.rendering import render_markdown
from chat.toolview import render_tool
from llm.errors import sentence

register = template.Library()

# Ends that a reply carries a visible mark for; a plain end has none.
MARKS = ("stopped", "interrupted", "failed", "length", "content-filter")
_KINDS_OF_FAILURE = {
    "provider_timeout": "timeout",
    "provider_content_filtered": "content-filter",
    "budget_exceeded": "budget",
}


@register.filter
def markdown(text: str) -> SafeString:
    return render_markdown(text)


@register.filter
def reply_html(message: Message) -> SafeString:
    """The reply's text with its calls of tools between."""
    if not any(map(is_tool, message.parts)):
        return render_markdown(message.text)
    pieces = [
        render_tool(part) if is_tool(part) else render_markdown(part["text"])
        for part in message.parts
        if is_tool(part) or part["type"] == "text"
    ]
    # Each piece is safe.
    return mark_safe("".join(pieces))  # noqa: S308


@register.filter
def reasoning(message: Message) -> str:
    """The model's thinking aloud, if the provider told it."""
    parts = (part for part in message.parts if part.get("type") == "reasoning")
    return "\n\n".join(str(part.get("text", "")) for part in parts)


@register.filter
def mark(message: Message) -> str:
    """How the reply ended, if not by itself: one of MARKS, or empty."""
    return next(
        (end for end in MARKS if end in (message.status, message.finish_reason)), ""
    )


@register.filter
def ending(message: Message) -> str:
    """As `mark`, and which of the failures have a mark of their own."""
    return _KINDS_OF_FAILURE.get(message.error_code) or mark(message)


@register.filter
def error_sentence(message: Message) -> str:
    """What went wrong, in our own words; empty when the mark's own text says it."""
    text = sentence(message.error_code)
    return gettext(text) if text else ""


@register.simple_tag
def icon(name: str) -> SafeString:
    """One of chat/_icons.html, which the page holds once."""
    return format_html(
        '<svg class="glyph" aria-hidden="true"><use href="#i-{}"/></svg>', name
    )


@register.filter
def first_token_seconds(message: Message) -> float | None:
    """From the start of its first turn; None where nobody measured it."""
    turn = min(message.turns.all(), key=lambda turn: turn.created_at, default=None)
    if turn is None or turn.first_token_at is None:
        return None
    waited: float = (turn.first_token_at - turn.created_at).total_seconds()
    return waited


@register.filter
def may_scroll(text: str) -> bool:
    """Whether a question may be higher than its bubble on the narrowest screen, and so
    has to be reached by keyboard; as static/js/chat/transcript.js has it."""
    return len(text) > 300 or text.count("\n") > 8


@register.filter
def other_model(message: Message) -> str:
    """The model that wrote it, as people say it, where it is not the agent's own."""
    revision = message.agent_revision
    own = revision is None or message.model in {"", revision.model}
    return "" if own else message.model.partition("/")[2]


@register.filter
def dollars(cost: Decimal) -> str:
    """Two digits that say something, however small it is."""
    return f"${float(cost):#.2g}" if cost else "$0"


@register.filter
def thousands(tokens: int) -> str:
    """128,000 as 128k: what tells two models apart."""
    return f"{tokens / 1000:.0f}k" if tokens < 1_000_000 else f"{tokens / 1e6:g}M"


@register.filter
def usage(message: Message) -> str:
    """Tokens, and the cost where there is one, in US dollars."""
    return usage_text(message.total_tokens, message.cost, message.estimated)


def usage_text(tokens: int, cost: Decimal | None, estimated: bool) -> str:
    """Empty when nothing was used."""
    if not tokens:
        return ""
    count = number_format(tokens, force_grouping=True)
    text = ngettext("%(count)s token", "%(count)s tokens", tokens) % {"count": count}
    if estimated:
        text = gettext("about %(amount)s") % {"amount": text}
    return f"{text} · ${float(cost):#.2g}" if cost else text
