"""Settings for tests and type checks: like production's, with fast hashes.

pytest reads them before any fixture runs; tests/database.py points Django at the
tests' own PostgreSQL afterwards. The type checker reaches none.
"""

import os

# Stands for "none given", in which case the tests start a server of their own.
NO_DATABASE = "postgresql:///parley"
os.environ.setdefault("DATABASE_URL", NO_DATABASE)
os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ.setdefault("CREDENTIAL_KEYS", "only-for-tests")
os.environ.setdefault("DATA_DIR", "var/test")
os.environ.setdefault("SECURE_COOKIES", "0")
os.environ.setdefault("ALLOW_PRIVATE_ADDRESSES", "1")

from config.settings import *  # noqa: E402, F403  # the same, after the above

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
