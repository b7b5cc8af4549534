"""Forms of the admin. They save while they are validated, through the services: only
there a refusal can still be shown, and all of a page is one transaction."""

from agents.forms.agents import AgentForm
from agents.forms.fields import LinesField, ParametersField, PeopleField, ServiceForm
from agents.forms.providers import ProviderForm

__all__ = [
    "AgentForm",
    "LinesField",
    "ParametersField",
    "PeopleField",
    "ProviderForm",
    "ServiceForm",
]
