"""Refusals of chat, before the first byte of a stream. docs/errors.md lists them."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from accounts.errors import APIError


class TurnRunningError(APIError):
    code = "turn_running"
    status = 409

    def __init__(self) -> None:
        super().__init__(_("An answer is still being written here. Stop it or wait."))


class IdempotencyMismatchError(APIError):
    code = "idempotency_mismatch"
    status = 409

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another message.")


class RepeatedSendError(Exception):
    """A send that was received before. No refusal: its answer is that turn's."""

    def __init__(self, turn_id: str) -> None:
        super().__init__(turn_id)
        self.turn_id = turn_id


class InvalidMessageError(APIError):
    code = "invalid"
    status = 400


class TooLargeError(APIError):
    code = "too_large"
    status = 413


class UnsupportedMediaTypeError(APIError):
    code = "unsupported_media_type"
    status = 415


class NoAgentError(APIError):
    code = "no_agent"
    status = 409

    def __init__(self) -> None:
        super().__init__(_("No agent is published here yet. Ask an admin for one."))


class NotFoundError(APIError):
    """Also for what belongs to somebody else: a stranger learns nothing."""

    code = "not_found"
    status = 404


class ForbiddenError(APIError):
    """Of what a person may see, but not do; of anything else NotFoundError."""

    code = "forbidden"
    status = 403


class TooManySharesError(APIError):
    code = "too_many_shares"
    status = 409

    def __init__(self) -> None:
        super().__init__(_("This conversation has too many shares. Revoke one first."))


class SearchTooBroadError(APIError):
    code = "search_too_broad"
    status = 400

    def __init__(self) -> None:
        super().__init__(_("This search takes too long. Give more or rarer words."))


class BusyError(APIError):
    code = "busy"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            _("Too many answers are being written right now."), retry_after=5
        )


class InvalidFileError(APIError):
    """Of an import: nothing was taken from the file."""

    code = "invalid_file"
    status = 400
