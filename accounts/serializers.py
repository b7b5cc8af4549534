"""Shapes of the API's keys."""

from __future__ import annotations

from rest_framework import serializers

from accounts.models import ApiKey


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    """`prefix` is how the key begins, so that its owner can tell it from others."""

    id = serializers.CharField(read_only=True)
    prefix = serializers.CharField(source="token_key", read_only=True)
    created_at = serializers.DateTimeField(source="created", read_only=True)

    class Meta:
        model = ApiKey
        fields = ["id", "name", "prefix", "created_at", "last_used_at"]
        read_only_fields = ["last_used_at"]


class NewApiKeySerializer(ApiKeySerializer):
    """The answer to POST: the only time that the key itself is shown."""

    key = serializers.SerializerMethodField()

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]

    def get_key(self, key: ApiKey) -> str:
        secret: str = self.context["secret"]
        return secret
