"""Ids in addresses: what has not their shape is nobody's, without a query."""

from django.urls.converters import StringConverter

from chat.ids import PATTERN


class IdConverter(StringConverter):
    regex = PATTERN
