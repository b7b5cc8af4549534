"""What the forms of the admin are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db.models import Model
from django.forms.fields import InvalidJSONInput
from rest_framework.exceptions import ParseError
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
)

from accounts.errors import APIError
from accounts.parsers import load_json

M = TypeVar("M", bound=Model)


class ServiceForm(forms.ModelForm[M]):
    """A form with `keep`, which writes the row. Its errors are shown at the fields they
    name."""

    # A model form's metaclass leaves no room for that of an abstract class.
    keep: Callable[[dict[str, Any]], M]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                self.instance = self.keep(cleaned)
            except ValidationError as error:
                self.add_error(None, error)
            except APIError as error:
                self.add_error(None, error.detail)
        return cleaned

    def _post_clean(self) -> None:
        """The service has checked the row; a model form would do it once more."""

    def save(self, commit: bool = True) -> M:
        return self.instance

    def save_m2m(self) -> None:
        """No many-to-many fields here; the admin calls this all the same."""


class LinesField(forms.CharField):
    """A list of texts, one in each line."""

    def __init__(self, *, rows: int = 6, **options: Any) -> None:
        widget = UnfoldAdminTextareaWidget(attrs={"rows": rows})
        super().__init__(widget=widget, **options)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        # The field's own validators would look for it in the list.
        ProhibitNullCharactersValidator()(value or "")
        lines = (line.strip() for line in (value or "").splitlines())
        return [line for line in lines if line]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class PeopleField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # no class to subscript when it runs
    """Shown again with its error, Django's would look for what is no number."""

    def bound_data(self, data: Any, initial: Any) -> Any:
        given = data if isinstance(data, list) else []
        return [one for one in given if one.isascii() and one.isdecimal()]


class ParametersField(forms.JSONField):
    """As strict as the API: Django's own lets NUL characters through and fails at JSON
    that is nested too deeply or has a number too long."""

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str) or value in self.empty_values:
            return super().to_python(value)
        try:
            return load_json(value.encode())
        except ParseError as error:
            raise ValidationError(
                self.error_messages["invalid"], code="invalid"
            ) from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Shown again as it was typed; Django's would parse it once more."""
        return InvalidJSONInput(data) if isinstance(data, str) else data
