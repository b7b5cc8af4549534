"""The async views: start a turn and stream it, follow one, stop one.

They hold no thread and no database connection while a stream lives: everything the
database is asked happens in one unit before.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
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

from accounts.errors import APIError, handle
from accounts.models import User
from accounts.parsers import load_json
from chat.body import Posted, read_body
from chat.errors import InvalidMessageError, TooLargeError, UnsupportedMediaTypeError
from chat.models import Conversation
from chat.serializers import turn_result
from chat.services.conversations import request_stop
from chat.services.starting import start_turn
from chat.sse import EventStreamResponse, HTMLEncoder, PartEncoder, stream
from chat.turns.events import Errored
from chat.turns.log import TurnLog
from chat.turns.plan import Send, TurnPlan
from chat.turns.runner import get_runner
from tenants.db import scope, unit

P = ParamSpec("P")
# The API's own, as its views use them.
AUTHENTICATION = APIView.authentication_classes
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
    plan, log = await get_runner().start(scope(), partial(_begin, request, posted.send))
    if posted.stream:
        return _stream(request, log)
    return await _whole(log, plan)


@endpoint("GET")
async def follow(request: HttpRequest, conversation_id: str) -> HttpResponseBase:
    """GET …/stream: the running turn from its beginning, 204 if there is none.

    A stranger's conversation is one where nothing runs.
    """
    visible = await unit(scope(), _sees, request, conversation_id)
    log = get_runner().log_of(scope(), conversation_id) if visible else None
    return HttpResponse(status=204) if log is None else _stream(request, log)


@endpoint("POST")
async def stop(request: HttpRequest, conversation_id: str) -> HttpResponseBase:
    """POST …/stop: 204, also when nothing runs."""
    await unit(scope(), _note_stop, request, conversation_id)
    get_runner().stop(scope(), conversation_id)
    return HttpResponse(status=204)


def authenticated(request: HttpRequest) -> User:
    """Who asks, by the API's own rules. Reads the database."""
    asked = Request(
        request,
        authenticators=[authenticate() for authenticate in AUTHENTICATION],
    )
    if isinstance(asked.user, User):
        return asked.user
    raise NotAuthenticated


def _begin(request: HttpRequest, send: Send) -> TurnPlan:
    return start_turn(user=authenticated(request), send=send)


def _sees(request: HttpRequest, conversation_id: str) -> bool:
    user = authenticated(request)
    return Conversation.objects.visible_to(user).filter(pk=conversation_id).exists()


def _note_stop(request: HttpRequest, conversation_id: str) -> None:
    request_stop(user=authenticated(request), conversation_id=conversation_id)


def _read(request: HttpRequest) -> Posted:
    # Nothing but JSON: a form on another site could send text/plain without asking.
    if request.content_type != "application/json":
        raise UnsupportedMediaTypeError("Send application/json.")
    try:
        body = load_json(request.body)
    except RequestDataTooBig as error:
        raise TooLargeError("The body is too large.") from error
    render = request.GET.get("render")
    if render not in {None, "html"}:
        raise InvalidMessageError("render must be html, or left out.")
    return read_body(body)


def _stream(request: HttpRequest, log: TurnLog) -> EventStreamResponse:
    wants_html = request.GET.get("render") == "html"
    encoder = HTMLEncoder() if wants_html else PartEncoder()
    return EventStreamResponse(stream(log.read(settings.SSE_KEEP_ALIVE), encoder))


async def _whole(log: TurnLog, plan: TurnPlan) -> HttpResponseBase:
    failure: Errored | None = None
    async for batch in log.read(settings.SSE_KEEP_ALIVE):
        for event in batch:
            if isinstance(event, Errored):
                failure = event
    if failure is not None:
        status = 500 if failure.code == "internal_error" else 502
        body = {"detail": failure.text, "code": failure.code}
        return _rendered(Response(body, status=status))
    return _rendered(Response(await unit(plan.scope, turn_result, plan)))


def _rendered(response: Response) -> HttpResponse:
    """Rendered here: Django would do it in a thread of its own."""
    body = JSONRenderer().render(response.data)
    answer = HttpResponse(body, status=response.status_code)
    for name, value in response.items():
        answer[name] = value
    answer["Content-Type"] = "application/json"
    return answer
