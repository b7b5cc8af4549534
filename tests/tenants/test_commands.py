"""The commands for scripts: one clear line, and an exit code that tells."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.hashers import is_password_usable
from django.core.management import CommandError, call_command

from accounts.models import ApiKey, User
from tenants.db import EXPLICIT, PUBLIC, entered
from tenants.models import Domain, Tenant
from tests.factories import PASSWORD
from tests.servers import ROOT, server_environment

Result = subprocess.CompletedProcess[str]
Manage = Callable[..., Result]


@pytest.fixture
def manage(committed: None, database_url: str, session_folder: Path) -> Manage:
    def run(*arguments: str, stdin: str = "") -> Result:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=server_environment(database_url, session_folder),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def told(result: Result) -> str:
    """What a successful command printed: one line, and no noise."""
    assert (result.returncode, result.stderr) == (0, "")
    [line] = result.stdout.splitlines()
    return line


def refused(*arguments: str) -> str:
    """What a command says that refuses. In this process: that manage.py makes one line
    and an exit code of it is seen in `test_a_refusal_is_one_line_and_an_exit_code`."""
    with pytest.raises(CommandError) as refusal, entered(EXPLICIT):
        call_command(*arguments)
    return str(refusal.value)


def test_a_refusal_is_one_line_and_an_exit_code(manage: Manage) -> None:
    result = manage(
        "create_user",
        "--tenant",
        "acme",
        "new@acme.test",
        "--password-stdin",
        stdin="123\n",
    )
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert "short" in line
    assert "Traceback" not in line


def test_create_tenant(manage: Manage) -> None:
    arguments = ["create_tenant", "initech", "--owner", "boss@initech.test"]
    options = ["--name", "Initech", "--domain", "chat.initech.test"]
    made = manage(*arguments, *options, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert "chat.initech.test" in told(made)
    with entered(PUBLIC):
        domain = Domain.objects.select_related("tenant").get(domain="chat.initech.test")
    with entered(domain.tenant.scope):
        owner = User.objects.get()
        assert (owner.email, owner.role) == ("boss@initech.test", "owner")
        assert owner.check_password(PASSWORD)
    assert "initech" in refused(*arguments)
    assert "letters" in refused("create_tenant", "NO", "--owner", "a@b.test")


def test_create_user(manage: Manage, acme: Tenant, globex: Tenant) -> None:
    arguments = ["create_user", "--tenant", "acme", "new@acme.test"]
    made = manage(
        *arguments, "--role", "admin", "--password-stdin", stdin=f"{PASSWORD}\n"
    )
    assert told(made) == "new@acme.test joined acme as admin."
    with entered(acme.scope):
        user = User.objects.get(email="new@acme.test")
        assert (user.role, user.check_password(PASSWORD)) == ("admin", True)
    with entered(globex.scope):
        assert not User.objects.filter(email="new@acme.test").exists()
    assert "already" in refused(*arguments)
    nowhere = refused("create_user", "--tenant", "nowhere", "new@acme.test")
    assert "nowhere" in nowhere


def test_create_api_key(manage: Manage, acme: Tenant) -> None:
    arguments = ["create_api_key", "--tenant", "acme", "--name", "ci", "--user"]
    key = told(manage(*arguments, "Member@acme.test"))
    with entered(acme.scope):
        row = ApiKey.objects.get()
        assert key.startswith(row.token_key)
        assert (row.name, row.user.email) == ("ci", "member@acme.test")
    assert "nobody@acme.test" in refused(*arguments, "nobody@acme.test")


def test_create_platform_admin(manage: Manage, acme: Tenant) -> None:
    told(manage("create_platform_admin", "root@platform.test"))
    with entered(PUBLIC):
        admin = User.objects.get(email="root@platform.test")
        assert admin.is_staff
        assert not is_password_usable(admin.password)
    with entered(acme.scope):
        assert not User.objects.filter(email="root@platform.test").exists()
    assert "already" in refused("create_platform_admin", "root@platform.test")


def test_an_unknown_role_is_a_usage_error(manage: Manage) -> None:
    wrong = manage("create_user", "--tenant", "acme", "a@acme.test", "--role", "king")
    assert wrong.returncode == 2
    assert "king" in wrong.stderr
