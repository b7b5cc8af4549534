"""The engine follows the scope and refuses to work without one."""

from __future__ import annotations

import pytest
from django.db import connection

from accounts.models import User
from tenants.db import NoTenantError, entered
from tenants.models import Tenant


def test_cast(db, acme, globex):
    ids = []
    for t in (acme, globex):
        with entered(t.scope):
            ids.append(list(User.objects.order_by("pk").values_list("pk", "email")))
    print(ids)
    with pytest.raises(NoTenantError):
        User.objects.count()


def test_client(db, acme, client_for):
    r = client_for(acme, "member").get("/api/v1/chat")
    print(r.status_code, r.content)
    assert r.status_code == 200
    r = client_for(acme).get("/api/v1/chat")
    assert r.status_code == 401


def test_commit(committed, acme):
    with entered(acme.scope):
        User.objects.create_user("x@acme.test")


def test_commit2(committed, acme):
    with entered(acme.scope):
        assert User.objects.count() == 3


def test_live(each_server, acme):
    with each_server.client(acme, "member") as c:
        r = c.get("/api/v1/chat")
        print(r.status_code, r.text)
        assert r.status_code == 200
