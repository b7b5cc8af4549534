"""What only chat knows how to show in the admin of a tenant."""

from chat.admin.settings import ChatSettingsAdmin
from chat.admin.sharing import ShareEventAdmin
from chat.admin.trying import TriedAgentAdmin

__all__ = ["ChatSettingsAdmin", "ShareEventAdmin", "TriedAgentAdmin"]
