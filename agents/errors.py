"""Refusals of agents and providers. docs/errors.md lists them."""

from __future__ import annotations

from django.utils.translation import gettext, gettext_lazy

from accounts.errors import APIError


class NotFoundError(APIError):
    """The row went away between a look and a change."""

    code = "not_found"
    status = 404

    def __init__(self) -> None:
        super().__init__(gettext_lazy("There is nothing at this address any more."))


class DefaultAgentError(APIError):
    code = "default_agent"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            gettext_lazy(
                "The default agent cannot be deleted. Make another one the default "
                "first."
            )
        )


class AgentInUseError(APIError):
    code = "agent_in_use"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            gettext_lazy(
                "Conversations use this agent, so it cannot be deleted. "
                "Unpublish it instead: it can then no longer be chosen."
            )
        )


class ProviderInUseError(APIError):
    code = "provider_in_use"
    status = 409

    def __init__(self, agents: list[str]) -> None:
        names = ", ".join(agents)
        super().__init__(
            gettext(
                "Agents answer with this provider (%(names)s). Give them another model "
                "first, or disable the provider."
            )
            % {"names": names}
        )


class McpServerInUseError(APIError):
    code = "mcp_server_in_use"
    status = 409

    def __init__(self, agents: list[str]) -> None:
        names = ", ".join(agents)
        super().__init__(
            gettext(
                "Agents list tools of this server (%(names)s). Take those from them "
                "first, or disable the server."
            )
            % {"names": names}
        )
