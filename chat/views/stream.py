"""The async views: start a turn and stream it, follow one, stop one.

They hold no thread and no database connection while a stream lives: everything the
database is asked happens in one unit before.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, aclosing
from functools import partial, wraps
from typing import Any, ParamSpec

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import (
    MethodNotAllowed,
    NotAuthenticated,
    ParseError,
)
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api import key_id
from accounts.errors import APIError, handle
from accounts.models import User
from accounts.parsers import load_json
from accounts.preferences import language_of
from chat.body import Posted, read_body
from chat.errors import (
    InvalidMessageError,
    RepeatedSendError,
    TooLargeError,
    TurnRunningError,
    UnsupportedMediaTypeError,
)
from chat.serializers import turn_result
from chat.services.conversations import request_stop
from chat.services.starting import start_turn
from chat.sse import EventStreamResponse, HTMLEncoder, PartEncoder, encoded, paced
from chat.turns.audience import Listener
from chat.turns.background import get_background
from chat.turns.ending import stop_turns
from chat.turns.events import INTERNAL, Errored
from chat.turns.following import TurnReference, newest_turn, reference_to, source_of
from chat.turns.log import Readable, Stream, TurnLog
from chat.turns.plan import Send, TurnPlan
from tenants.db import Scope, scope, unit

P = ParamSpec("P")
# The API's own, as its views use them.
AUTHENTICATION = APIView.authentication_classes
# Between two changes of a growing reply on a page: smooth enough to read, and each
# costs the reader's browser some 4 ms.
_PAGE_SECONDS = 0.12
View = Callable[P, Coroutine[Any, Any, HttpResponseBase]]


def endpoint(method: str) -> Callable[[View[P]], View[P]]:
    """An async view of the API: one method, and errors before the first byte as the
    API's JSON, through the API's handler.

    CSRF is checked by the session's authentication class; a key needs no check.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        async def wrapped(*args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            request = args[0]
            try:
                if isinstance(request, HttpRequest) and request.method != method:
                    raise MethodNotAllowed(request.method or "")
                return await view(*args, **kwargs)
            except Exception as error:
                response = handle(error, {})
                if response is None:
                    raise
                if isinstance(error, MethodNotAllowed):
                    response["Allow"] = method
                return _rendered(response)

        return csrf_exempt(wrapped)

    return decorate


@endpoint("POST")
async def start(request: HttpRequest) -> HttpResponseBase:
    """POST /api/v1/chat."""
    try:
        posted = _read(request)
    except (APIError, ParseError):
        # A stranger learns that it is one, whatever it sent.
        await unit(scope(), authenticated, request)
        raise
    runner = get_background().runner
    commit = partial(_begin, request, posted.send)
    try:
        try:
            live = await runner.start(scope(), commit)
        except TurnRunningError:
            if posted.send.target_id is None or posted.send.trigger == "continue":
                raise
            # An edit, or another try, takes the place of the answer being written.
            await stop_turns(scope(), posted.send.conversation_id or "")
            live = await runner.start(scope(), commit)
    except RepeatedSendError as repeated:
        reference = await unit(scope(), reference_to, repeated.turn_id)
        return await _answer(request, posted, reference)
    answer = await _answer(request, posted, TurnReference(live.plan.turn_id, True))
    for name, value in live.plan.grant.headers.items():
        answer[name] = value
    return answer


@endpoint("GET")
async def follow(request: HttpRequest, conversation_id: str) -> HttpResponseBase:
    """GET …/stream: the running turn from its beginning, 204 if there is none.

    A stranger's conversation is one where nothing runs.
    """
    reference = await unit(scope(), _newest, request, conversation_id)
    if reference is None:
        return HttpResponse(status=204)
    return _stream(request, _source(reference), reference.turn_id)


@endpoint("POST")
async def stop(request: HttpRequest, conversation_id: str) -> HttpResponseBase:
    """POST …/stop: 204, also when nothing runs."""
    for turn_id in await unit(scope(), _note_stop, request, conversation_id):
        if live := get_background().runner.turn(scope().schema_name, turn_id):
            live.end("stopped")
    return HttpResponse(status=204)


def authenticated(request: HttpRequest) -> User:
    """Who asks, by the API's own rules. Reads the database."""
    return _asked(request)[0]


def _asked(request: HttpRequest) -> tuple[User, int | None]:
    """Who asks, and the id of the key they show, if any."""
    asked = Request(
        request,
        authenticators=[authenticate() for authenticate in AUTHENTICATION],
    )
    if isinstance(asked.user, User):
        return asked.user, key_id(asked)
    raise NotAuthenticated


def _begin(request: HttpRequest, send: Send) -> TurnPlan:
    user, api_key_id = _asked(request)
    return start_turn(user=user, send=send, api_key_id=api_key_id)


def _newest(request: HttpRequest, conversation_id: str) -> TurnReference | None:
    return newest_turn(authenticated(request), conversation_id)


def _note_stop(request: HttpRequest, conversation_id: str) -> list[str]:
    user = authenticated(request)
    return request_stop(user=user, conversation_id=conversation_id)


def _read(request: HttpRequest) -> Posted:
    # Nothing but JSON: a form on another site could send text/plain without asking.
    if request.content_type != "application/json":
        raise UnsupportedMediaTypeError("Send application/json.")
    try:
        body = load_json(request.body)
    except RequestDataTooBig as error:
        raise TooLargeError("The body is too large.") from error
    if request.GET.get("render") not in {None, "html"}:
        raise InvalidMessageError("render must be html, or left out.")
    return read_body(body, request.headers.get("Idempotency-Key"))


def _source(reference: TurnReference) -> Readable:
    background = get_background()
    return source_of(reference, scope(), background.runner, background.notices)


async def _answer(
    request: HttpRequest, posted: Posted, reference: TurnReference
) -> HttpResponseBase:
    source = _source(reference)
    if posted.stream:
        # A client that answers has the message already, and goes on with it.
        goes_on = posted.send.trigger == "approve"
        return _stream(request, source, reference.turn_id, recalls=not goes_on)
    return await _whole(source, reference.turn_id, _reader(request))


def _stream(
    request: HttpRequest, source: Readable, turn_id: str, *, recalls: bool = True
) -> EventStreamResponse:
    quiet = settings.SSE_KEEP_ALIVE
    body: Stream[bytes]
    if request.GET.get("render") == "html":
        encoder = HTMLEncoder(language_of(request))
        body = encoded(paced(source.read(quiet), _PAGE_SECONDS), encoder)
    elif not recalls:
        body = encoded(source.read(quiet), PartEncoder(recalls=False))
    elif isinstance(source, TurnLog):
        body = source.frames(quiet)
    else:
        body = encoded(source.read(quiet), PartEncoder())
    listening = partial(_listening, scope(), _reader(request), turn_id)
    return EventStreamResponse(body, listening)


def _listening(
    target: Scope, user_id: int, turn_id: str, leave: Callable[[], None]
) -> AbstractContextManager[None]:
    listener = Listener(target, user_id, leave, turn_id=turn_id)
    return get_background().audience.joined(listener)


def _reader(request: HttpRequest) -> int:
    """Who reads, as `authenticated` found out before."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user.pk


async def _whole(source: Readable, turn_id: str, user_id: int) -> HttpResponseBase:
    failure: Errored | None = None
    async with aclosing(source.read(settings.SSE_KEEP_ALIVE)) as batches:
        async for batch in batches:
            for event in batch:
                if isinstance(event, Errored):
                    failure = event
    if failure is not None:
        status = 500 if failure.code == INTERNAL.code else 502
        body = {"detail": failure.text, "code": failure.code}
        return _rendered(Response(body, status=status))
    return _rendered(Response(await unit(scope(), turn_result, turn_id, user_id)))


def _rendered(response: Response) -> HttpResponse:
    """Rendered here: Django would do it in a thread of its own."""
    body = JSONRenderer().render(response.data)
    answer = HttpResponse(body, status=response.status_code)
    for name, value in response.items():
        answer[name] = value
    answer["Content-Type"] = "application/json"
    return answer
