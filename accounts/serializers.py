"""Shapes of the API's people and keys."""

from __future__ import annotations

from rest_framework import serializers

from accounts.models import ApiKey, User


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


class UserSerializer(serializers.ModelSerializer[User]):
    id = serializers.CharField(read_only=True)

    class Meta:
        model = User
        fields = [
            *("id", "email", "name", "role", "is_active", "date_joined", "last_login"),
        ]
        read_only_fields = fields


class UserWriteSerializer(serializers.Serializer[User]):
    """POST needs `email`; what PATCH leaves out stays."""

    email = serializers.EmailField(max_length=254)
    name = serializers.CharField(max_length=150, allow_blank=True, required=False)
    role = serializers.ChoiceField(choices=User.Role.choices, required=False)
    password = serializers.CharField(
        max_length=128,
        trim_whitespace=False,
        required=False,
        write_only=True,
        help_text="Never shown again. Without one a new person cannot sign in yet.",
    )
    is_active = serializers.BooleanField(
        required=False,
        help_text="Switched off, they can neither sign in nor use a key.",
    )
