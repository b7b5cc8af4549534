"""Providers with their encrypted keys; agents with their immutable revisions."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    RegexValidator,
)
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agents.looks import Color, check_emoji, check_roles, check_starters
from agents.querysets import AgentQuerySet, CredentialQuerySet, ProviderQuerySet
from llm.catalogue import KEYLESS

LOCAL = "local"
# The fields of a revision that say how its agent answers.
REVISED = ("system_prompt", "model", "parameters", "fallbacks", "tools")

# The part before the first "/" of a model id such as "openai/gpt-4o".
PROVIDER_NAME = RegexValidator(
    r"\A[a-z0-9][a-z0-9_.-]{0,49}\Z",
    _("Use 1 to 50 lower-case letters, digits, dots, hyphens and underscores."),
)
AGENT_SLUG = RegexValidator(
    r"\A(?=.*[a-z])[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?\Z",
    _("Use up to 50 lower-case letters, digits and hyphens, with at least one letter."),
)
MODEL_NAME = RegexValidator(
    r"\A[^\s\x00-\x1f]{1,150}\Z",
    _("A model's name has 1 to 150 characters and no space."),
)
MODEL_ID = RegexValidator(
    r"\A[a-z0-9][a-z0-9_.-]{0,49}/[^\s\x00-\x1f]{1,150}\Z",
    _("Write <provider name>/<model>, for example openai/gpt-4o."),
)


class Provider(models.Model):
    name = models.CharField(max_length=50, unique=True, validators=[PROVIDER_NAME])
    kind = models.CharField(
        max_length=50,
        help_text=(
            _(
                "A provider LiteLLM knows (openai, anthropic, xai, …), "
                "openai_compatible for any server that speaks OpenAI's API, or local."
            )
        ),
    )
    # Not a URLField, which refuses the names without dots of private networks.
    base_url = models.CharField(
        "base URL",
        max_length=500,
        blank=True,
        help_text=_("Needed for openai_compatible, for example https://host/v1."),
    )
    model_names = models.JSONField(
        "models",
        default=list,
        blank=True,
        help_text=_('Names of models offered here, for example ["gpt-4o"].'),
    )
    disabled_models = models.JSONField(
        "switched off",
        default=list,
        blank=True,
        help_text=_("Names of models nobody may use, agents included."),
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[ProviderQuerySet] = ProviderQuerySet.as_manager()  # type: ignore[assignment]  # a manager with the queryset's verbs

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def needs_key(self) -> bool:
        return self.kind not in KEYLESS


class Credential(models.Model):
    """One version of a provider's key. The plain key is never shown again."""

    provider = models.ForeignKey(
        Provider, on_delete=models.CASCADE, related_name="credentials"
    )
    version = models.PositiveIntegerField()
    ciphertext = models.TextField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[CredentialQuerySet] = CredentialQuerySet.as_manager()  # type: ignore[assignment]  # as above

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "version"], name="credential_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} key {self.version}"


class Agent(models.Model):
    """What people choose. How it answers is in its newest revision."""

    class Visibility(models.TextChoices):
        EVERYBODY = "everybody", _("Everybody")
        ROLES = "roles", _("People with certain roles")
        PEOPLE = "people", _("Certain people")

    slug = models.CharField(max_length=50, unique=True, validators=[AGENT_SLUG])
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True, max_length=1000)
    is_default = models.BooleanField(
        "default", default=False, help_text=_("Answers when nobody chose an agent.")
    )
    published = models.BooleanField(
        default=True, help_text=_("Members see published agents only.")
    )
    color = models.CharField(
        "colour",
        max_length=10,
        choices=Color.choices,
        default=Color.SLATE,
        help_text=_(
            "Of its picture, which shows the emoji or the name's first letter."
        ),
    )
    emoji = models.CharField(max_length=16, blank=True, validators=[check_emoji])
    starters = models.JSONField(
        "starter questions", default=list, blank=True, validators=[check_starters]
    )
    visibility = models.CharField(
        max_length=10,
        choices=Visibility.choices,
        default=Visibility.EVERYBODY,
        help_text=_("Who may choose it once it is published. Admins see every agent."),
    )
    roles = models.JSONField(default=list, blank=True, validators=[check_roles])
    people = models.ManyToManyField(User, blank=True, related_name="+")
    position = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(9999)],
        help_text=_(
            "Agents are listed by this number, then by name; the default first."
        ),
    )
    revision = models.ForeignKey(
        "AgentRevision",
        on_delete=models.RESTRICT,  # goes only together with its agent
        null=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[AgentQuerySet] = AgentQuerySet.as_manager()  # type: ignore[assignment]  # as above

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="agent_one_default",
            )
        ]

    def __str__(self) -> str:
        return self.name


class AgentRevision(models.Model):
    """How an agent answered from one save to the next; never changed.

    `model` is `<provider name>/<model>`. `parameters` are what LiteLLM takes
    (temperature, top_p, max_tokens, …). `fallbacks` are model ids too, `tools` names of
    agents.tools.
    """

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    system_prompt = models.TextField(blank=True)
    model = models.CharField(max_length=201, validators=[MODEL_ID])
    parameters = models.JSONField(default=dict, blank=True)
    fallbacks = models.JSONField(default=list, blank=True)
    tools = models.JSONField(default=list, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "number"], name="agent_revision_number_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.agent} r{self.number}"

    @property
    def content(self) -> dict[str, Any]:
        """How it answers, by the names of REVISED."""
        return {name: getattr(self, name) for name in REVISED}


MCP_NAME = RegexValidator(
    r"\A[a-z0-9](?:[a-z0-9-]|_(?!_|\Z)){0,29}\Z",
    "Use 1 to 30 lower-case letters, digits, hyphens and single underscores, none of "
    "these at the end.",
)


class McpServer(models.Model):
    """A server whose tools agents may use, as `<name>__<tool>`."""

    class Approval(models.TextChoices):
        NEVER = "never", _("Never")
        ALWAYS = "always", _("Before each call")

    name = models.CharField(
        max_length=30,
        unique=True,
        validators=[MCP_NAME],
        help_text=_("Its tools are then called name__tool."),
    )
    url = models.CharField(
        "URL",
        max_length=500,
        blank=True,
        help_text=_("Of a server with Streamable HTTP, for example https://host/mcp."),
    )
    command = models.CharField(
        max_length=500,
        blank=True,
        help_text=_(
            "In place of a URL: a program that this machine starts for each use. "
            "The operator has to allow such (ALLOW_STDIO_TOOLS)."
        ),
    )
    # {"Authorization": …} as JSON, encrypted; never shown again.
    ciphertext = models.TextField(blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    approval = models.CharField(
        max_length=10,
        choices=Approval.choices,
        default=Approval.ALWAYS,
        help_text=_(
            "Whether the person is asked before a tool of this server is called."
        ),
    )
    allowed_tools = models.JSONField(default=list, blank=True)
    timeout = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(120)],
        help_text=_("Seconds that one call may take."),
    )
    # What was last heard of it (agents.mcp.health).
    asked_at = models.DateTimeField(null=True, editable=False)
    failure = models.CharField(max_length=300, blank=True, editable=False)
    tools_found = models.PositiveSmallIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "MCP server"

    def __str__(self) -> str:
        return self.name

    @property
    def has_headers(self) -> bool:
        return bool(self.ciphertext)
