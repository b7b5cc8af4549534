"""The rows of chat, by noun. The submodules depend on each other downwards only, in the
order below."""

from chat.models.conversations import (
    PREVIEW_LENGTH,
    RUNNING,
    TITLE_LENGTH,
    WISH_LENGTH,
    Conversation,
    Message,
    Turn,
    TurnLogEntry,
    one_line,
)
from chat.models.settings import ChatSettings
from chat.models.sharing import Share, ShareEvent

__all__ = [
    "PREVIEW_LENGTH",
    "RUNNING",
    "TITLE_LENGTH",
    "WISH_LENGTH",
    "ChatSettings",
    "Conversation",
    "Message",
    "Share",
    "ShareEvent",
    "Turn",
    "TurnLogEntry",
    "one_line",
]
