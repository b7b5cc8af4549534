"""All settings, from the environment through config/env.py; see .env.example.

The database's address must be known by now: manage.py and the launcher start the
embedded PostgreSQL before Django reads this module.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django_stubs_ext
from django.utils.translation import gettext_lazy as _

from config import env, statics
from config.adminlook import FAVICON, PRIMARY, own_style
from config.database import connection_settings

# Lets Django's generic classes be subscripted as the type stubs have them.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.text("DATA_DIR") or "var").resolve()

DEBUG = env.flag("DEBUG", False)
# The embedded database means one person's machine: there secrets make themselves.
DEVELOPMENT = DEBUG or env.flag("DATABASE_EMBEDDED", False)
_SECRETS = DATA_DIR / "secrets"
SECRET_KEY = env.secret("SECRET_KEY", folder=_SECRETS, development=DEVELOPMENT)
# Newest first: the first encrypts, all decrypt.
CREDENTIAL_KEYS = [
    key.strip()
    for key in env.secret(
        "CREDENTIAL_KEYS", folder=_SECRETS, development=DEVELOPMENT
    ).split(",")
    if key.strip()
]
ALLOW_PRIVATE_ADDRESSES = env.flag("ALLOW_PRIVATE_ADDRESSES", DEVELOPMENT)
# Whether admins of tenants may name programs of this machine as MCP servers.
ALLOW_STDIO_TOOLS = env.flag("ALLOW_STDIO_TOOLS", False)

# The tenant comes from the Host; an unknown host is answered with 404 by
# tenants.middleware, so that "*" leaks nothing. A list here narrows it further.
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", "*")
PLATFORM_HOST = env.text("PLATFORM_HOST", "localhost").lower()
PORT = env.integer("PORT", 8000, minimum=1)

# ------------------------------------------------------------------ apps and tenancy
SHARED_APPS = [
    "tenants",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    # After the admin, whose templates it overrides with styles our policy blocks.
    "django_tenants",
    "accounts",
    "knox",
]
TENANT_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "accounts",
    "knox",
    "allauth",
    "allauth.account",
    "allauth.usersessions",
    "agents",
    "usage",
    "chat",
]
INSTALLED_APPS = [
    "unfold",  # before the admin, whose templates and site it replaces
    *SHARED_APPS,
    *(app for app in TENANT_APPS if app not in SHARED_APPS),
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
# One SET for each borrowed connection instead of one a query; the engine forgets it
# at close, rollback and reconnect.
TENANT_LIMIT_SET_CALLS = True
PG_EXTRA_SEARCH_PATHS = ["extensions"]
# It asks the database while apps load; our schema names begin with "t_" anyway.
SKIP_PG_EXTRA_VALIDATION = True
# Run in this order in the scope of a tenant that is being made, in one transaction.
TENANT_PROVISIONERS = [
    "accounts.services.provision_tenant",
    "agents.services.provision_tenant",
]
# Says how many turns run on each version of a provider's key; who pins them stands
# above agents, which show it.
RUNNING_BY_CREDENTIAL = "chat.services.credentials.running_by_credential"
# Puts the test of a provider into the ledger, which stands above agents too.
TEST_RECORDER = "usage.services.record_test"
# Takes a correction of the ledger over into the messages, which stand above it.
CORRECTION_TAKER = "chat.services.correcting.take_correction"

DATABASE_URL = env.text("DATABASE_URL")
DB_POOL_SIZE = env.integer("DB_POOL_SIZE", 8, minimum=4)
DATABASES = {"default": connection_settings(DATABASE_URL, pool_size=DB_POOL_SIZE)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ----------------------------------------------------------------------------- http
ROOT_URLCONF = "config.urls"
PUBLIC_SCHEMA_URLCONF = "config.urls_public"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = False  # a redirected POST becomes a GET and loses its body
MIDDLEWARE = [
    "config.metrics.MetricsMiddleware",
    "config.middleware.RequestIdMiddleware",
    "config.middleware.StaticMiddleware",
    "config.middleware.CompressionMiddleware",
    # Before the tenant, whose refusals are pages too.
    "accounts.middleware.PreferencesMiddleware",
    "tenants.middleware.TenantMiddleware",
    "config.middleware.SecurityMiddleware",
    "config.middleware.SessionMiddleware",
    "config.middleware.CommonMiddleware",
    "config.middleware.CsrfViewMiddleware",
    "config.middleware.AuthenticationMiddleware",
    "config.middleware.MessageMiddleware",
    "config.middleware.XFrameOptionsMiddleware",
    "config.middleware.ContentSecurityPolicyMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"styles": "config.styles"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenants.context_processors.tenant",
                "accounts.context_processors.preferences",
            ],
        },
    },
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# Of a file to be imported, and how many times as large it may be unpacked.
IMPORT_MAX_BYTES = env.integer("IMPORT_MAX_MB", 100, minimum=1) * 1024 * 1024
IMPORT_UNPACKED_FACTOR = 4
# Addresses that take larger requests, with room for what multipart adds.
LARGE_REQUESTS = dict.fromkeys(
    ("/api/v1/import", "/settings/data"), IMPORT_MAX_BYTES + 64 * 1024
)
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
# Behind TLS cookies are bound to this very host; over plain http browsers refuse
# both the flag and the prefix.
SECURE_COOKIES = env.flag("SECURE_COOKIES", not DEVELOPMENT)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_NAME = "__Host-sessionid" if SECURE_COOKIES else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if SECURE_COOKIES else "csrftoken"
if SECURE_COOKIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 60 * 60 * 24 * 30
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "manifest-src": ["'self'"],
    }
}
# Added for the admin alone: its framework evaluates attributes as scripts and writes
# styles, and only admins come there.
ADMIN_CONTENT_SECURITY_POLICY = {
    "script-src": ["'unsafe-eval'"],
    "style-src": ["'unsafe-inline'"],
}

# ---------------------------------------------------------------------------- admin
UNFOLD = {
    "SITE_TITLE": "Parley",
    "SITE_HEADER": "Parley",
    "SITE_SUBHEADER": _("Administration"),
    "SITE_SYMBOL": "forum",
    "SITE_FAVICONS": [FAVICON],
    "STYLES": [own_style],
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "usage.dashboard.add_today",
    "COLORS": {"primary": PRIMARY},
    "SIDEBAR": {"show_search": True, "navigation": "config.adminlook.tenant_sidebar"},
    "COMMAND": {"search_models": True},
}
UNFOLD_PLATFORM = {
    "SITE_TITLE": _("Parley platform"),
    "SITE_HEADER": _("Parley platform"),
    "SITE_SYMBOL": "domain",
    "SIDEBAR": {"navigation": "config.adminlook.platform_sidebar"},
    "SITE_FAVICONS": [FAVICON],
    "STYLES": [own_style],
    "SHOW_BACK_BUTTON": True,
    "COLORS": {"primary": PRIMARY},
}

# ------------------------------------------------------- people, sessions, API keys
AUTH_USER_MODEL = "accounts.User"
# Not allauth's: it asks its own table of addresses, which the platform has not and
# which may hold an address the account had before.
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
SESSION_ENGINE = "tenants.sessions"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_FORMS = {"reset_password": "accounts.forms.PasswordResetForm"}
SIGNUP_OPEN = env.flag("SIGNUP_OPEN", False)
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_BACKEND = (
    f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
)
EMAIL_PORT = env.integer("EMAIL_PORT", 587, minimum=1)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", True)
EMAIL_TIMEOUT = 10  # seconds; a request waits meanwhile
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL") or f"parley@{PLATFORM_HOST}"
KNOX_TOKEN_MODEL = "accounts.ApiKey"  # noqa: S105  # a model, no secret
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_TTL": None,
    "TOKEN_PREFIX": "parley_",
}

# ------------------------------------------------------------------------------ api
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiKeyAuthentication",
        "accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["accounts.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "accounts.pagination.Pagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "accounts.errors.handle",
    "DATETIME_FORMAT": "iso-8601",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Parley",
    "DESCRIPTION": "Chat with agents, as a program.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

# ------------------------------------------------------------- caches, files, sockets
CACHES = {
    "default": {
        # A table of each schema, one for all processes: attempts to sign in are counted
        # here, and little else is. Nothing that a stream waits for may be.
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache_entry",
        "KEY_FUNCTION": "tenants.cache.make_key",
        # Of only 300, Django's default, a guesser could drive one out with others.
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}
MEDIA_ROOT = DATA_DIR / "media"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_URL = statics.address(STATICFILES_DIRS[0])
STORAGES = {
    "default": {"BACKEND": "tenants.storage.TenantStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
    },
}
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# ---------------------------------------------------------------------------- turns
LOCAL_MODEL_URL = env.text("LOCAL_MODEL_URL")
LOCAL_MODEL_KEY = env.text("LOCAL_MODEL_KEY")
TURN_CONNECT_TIMEOUT = env.seconds("TURN_CONNECT_TIMEOUT", 10)
TURN_FIRST_TOKEN_TIMEOUT = env.seconds("TURN_FIRST_TOKEN_TIMEOUT", 30)
TURN_IDLE_TIMEOUT = env.seconds("TURN_IDLE_TIMEOUT", 30)
TURN_TOTAL_TIMEOUT = env.seconds("TURN_TOTAL_TIMEOUT", 600)
TURN_MAX_MESSAGE_BYTES = env.integer("TURN_MAX_MESSAGE_BYTES", 64 * 1024, minimum=1)
TURN_MAX_OUTPUT_TOKENS = env.integer("TURN_MAX_OUTPUT_TOKENS", 4096, minimum=1)
# How often running turns are written to the database, and how often while a reader in
# another process follows.
TURN_FLUSH_SECONDS = env.seconds("TURN_FLUSH_SECONDS", 1)
TURN_FLUSH_CLOSE_SECONDS = env.seconds("TURN_FLUSH_CLOSE_SECONDS", 0.25)
# Seconds without a heartbeat after which a process counts as dead and its turns are
# ended. A heartbeat comes with each flush.
TURN_DEAD_AFTER = env.seconds("TURN_DEAD_AFTER", 12)
# How long turns may go on after SIGTERM before they are saved as interrupted.
TURN_SHUTDOWN_GRACE = env.seconds("TURN_SHUTDOWN_GRACE", 10)
# Providers forced to another way of being called than docs/lanes.md says.
LLM_LANES = env.pairs("LLM_LANES")
# Turns at once in one process; past it 503 with Retry-After.
TURN_LIMIT = env.integer("TURN_LIMIT", 500, minimum=1)
SSE_KEEP_ALIVE = env.seconds("SSE_KEEP_ALIVE", 15)

# -------------------------------------------------------- language, logs and metrics
LANGUAGE_CODE = "en"
# Each has a catalogue in locale/, of which `make messages` keeps the compiled form.
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("he", "עברית")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["config.formats"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
LOG_FORMAT = env.choice(
    "LOG_FORMAT", "console" if DEVELOPMENT else "json", ("json", "console")
)
LOGGING_CONFIG = "config.logging.configure"
LOGGING = {"format": LOG_FORMAT}
# Who scrapes /metrics must show it; without one only this machine may look.
METRICS_TOKEN = env.text("METRICS_TOKEN")
