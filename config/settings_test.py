"""Settings for tests and type checks: like production's, with fast hashes.

tests/conftest.py puts the address of its own embedded PostgreSQL into the
environment first; the type checker needs none and reaches none.
"""

import os

os.environ.setdefault("DATABASE_URL", "postgresql:///parley")
os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ.setdefault("CREDENTIAL_KEYS", "only-for-tests")
os.environ.setdefault("DATA_DIR", "var/test")
os.environ.setdefault("SECURE_COOKIES", "0")
os.environ.setdefault("ALLOW_PRIVATE_ADDRESSES", "1")

from config.settings import *  # noqa: F403  # the same, but for what follows

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
