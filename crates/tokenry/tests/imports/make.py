"""Makes the rows of this folder with the libraries that write them in real systems.

    pip install django djangorestframework djangorestframework-api-key django-rest-knox bcrypt argon2-cffi
    python3 make.py

`make.mjs` makes those of better-auth. Each NAME.jsonl or NAME.csv has a NAME.tokens with one `id token` per line. The
tokens are known to everybody and are for tests only.
"""

import base64
import csv
import hashlib
import hmac
import json
import secrets
import string
import uuid
import zlib
from datetime import timedelta

import argon2
import bcrypt
import django
from django.conf import settings
from django.core.management import call_command

ALPHANUMERIC = string.ascii_letters + string.digits
COUNT = 5


def word(length):
    return "".join(secrets.choice(ALPHANUMERIC) for _ in range(length))


def write(name, rows):
    """Writes JSON Lines; a row is its fields and its token."""
    with open(f"{name}.jsonl", "w") as file:
        for fields, _ in rows:
            file.write(json.dumps(fields) + "\n")
    write_tokens(name, rows)


def write_csv(name, rows):
    with open(f"{name}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0][0].keys())
        writer.writeheader()
        writer.writerows(fields for fields, _ in rows)
    write_tokens(name, rows)


def write_tokens(name, rows):
    with open(f"{name}.tokens", "w") as file:
        for fields, token in rows:
            file.write(f"{fields['id']} {token}\n")


def row(number, **fields):
    return {"id": number, "owner": f"user-{number % 2}", "name": f"token {number}", **fields}


# The five systems of which each profile is made.
def requirements_server():
    for number in range(COUNT):
        token = "mcp_pat_" + word(48)
        hashed = bcrypt.hashpw(token.encode(), bcrypt.gensalt(6)).decode()
        yield row(number, scopes=["full_access"], lookup=token[:16], hash=hashed), token


def notebook_app():
    for number in range(COUNT):
        token = "nllm_" + secrets.token_urlsafe(32)
        hashed = hashlib.sha256(token.encode()).hexdigest()
        yield row(number, prefix=token[:9], suffix=token[-4:], hash=hashed, scheme="sha256"), token


def automation_server():
    for number in range(COUNT):
        token = "hcpat_" + secrets.token_hex(32)
        hashed = hashlib.sha256(token.encode()).hexdigest()
        yield row(number, scopes=["repos:read", "tasks:write"], hash=hashed, scheme="sha256"), token


def control_plane():
    hasher = argon2.PasswordHasher(memory_cost=19456, time_cost=2, parallelism=1)
    for _ in range(COUNT):
        number, secret = str(uuid.uuid4()), secrets.token_urlsafe(32)
        fields = {"id": number, "owner": "operator", "name": "ci", "scopes": ["routes:write"]}
        yield fields | {"hash": hasher.hash(secret)}, f"fp_pat_{number}.{secret}"


def model_server():
    for number in range(COUNT):
        token = "bodhiapp_" + secrets.token_urlsafe(32)
        hashed = hashlib.sha256(token.encode()).hexdigest()
        fields = row(number, active=number != 1, lookup=token[:17], hash=hashed, scheme="sha256")
        yield fields | {"scopes": "scope_token_user"}, token


# Other schemes and libraries.
def keyed():
    """HMAC-SHA-256 with a key of 32 bytes, `0123456789abcdef` twice."""
    key = b"0123456789abcdef" * 2
    for number in range(COUNT):
        token = "keyed_" + word(40)
        hashed = hmac.new(key, token.encode(), hashlib.sha256).digest()
        yield row(number, hash=base64.b64encode(hashed).decode(), scheme="hmac-sha256:old"), token


def sanctum():
    """Like `createToken` of Laravel Sanctum 4: `id|`, 40 random characters, CRC-32 in hexadecimal digits."""
    for number in range(1, COUNT + 1):
        entropy = word(40)
        secret = entropy + format(zlib.crc32(entropy.encode()), "08x")
        hashed = hashlib.sha256(secret.encode()).hexdigest()
        fields = row(number, scopes=json.dumps(["*"]), expires_at="", created_at="2026-01-05 08:00:00")
        yield fields | {"hash": hashed, "scheme": "sha256"}, f"{number}|{secret}"


def gitea():
    """Like `NewAccessToken` of Gitea: PBKDF2 with 10,000 iterations and 50 bytes over the hexadecimal digits."""
    for number in range(1, COUNT + 1):
        token, salt = secrets.token_hex(20), word(10)
        hashed = hashlib.pbkdf2_hmac("sha256", token.encode(), salt.encode(), 10000, 50).hex()
        fields = row(number, scopes="read:repository,write:issue", created_at=1767600000)
        fields |= {"lookup": token[-8:], "hash": hashed, "scheme": "pbkdf2-sha256"}
        yield fields | {"salt": salt, "iterations": 10000}, token


def knox(user_model):
    from knox.models import AuthToken

    for number in range(COUNT):
        user, _ = user_model.objects.get_or_create(username=f"user-{number % 2}")
        stored, token = AuthToken.objects.create(user, expiry=timedelta(days=36500))
        fields = {"id": stored.token_key, "owner": user.username, "name": "knox"}
        fields |= {"created_at": str(stored.created), "expires_at": str(stored.expiry)}
        yield fields | {"hash": stored.digest, "scheme": "sha512"}, token


def drf_api_key(hasher):
    from rest_framework_api_key.models import APIKey

    APIKey.objects.key_generator.preferred_hasher = hasher
    for number in range(COUNT):
        stored, key = APIKey.objects.create_key(name=f"key {number}")
        fields = {"id": stored.prefix, "owner": "service", "name": stored.name}
        yield fields | {"created_at": stored.created.isoformat(), "hash": stored.hashed_key}, key


def django_password(algorithm):
    """Keys that an application keeps with Django's password hashers."""
    from django.contrib.auth.hashers import make_password

    for number in range(COUNT):
        token = "dj_" + word(40)
        yield row(number, lookup=token[:11], hash=make_password(token, hasher=algorithm)), token


def main():
    settings.configure(
        SECRET_KEY="not used",
        USE_TZ=True,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "rest_framework",
            "rest_framework_api_key",
            "knox",
        ],
        PASSWORD_HASHERS=[
            "django.contrib.auth.hashers.PBKDF2PasswordHasher",
            "django.contrib.auth.hashers.Argon2PasswordHasher",
            "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
            "rest_framework_api_key.crypto.Sha512ApiKeyHasher",
        ],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth import get_user_model

    write("requirements-server", list(requirements_server()))
    write("notebook-app", list(notebook_app()))
    write("automation-server", list(automation_server()))
    write("control-plane", list(control_plane()))
    write("model-server", list(model_server()))
    write("keyed", list(keyed()))
    write_csv("sanctum", list(sanctum()))
    write_csv("gitea", list(gitea()))
    write("knox", list(knox(get_user_model())))
    write("drf-api-key", list(drf_api_key("sha512")))
    write("drf-api-key-2", list(drf_api_key("pbkdf2_sha256")))
    write("django-pbkdf2", list(django_password("pbkdf2_sha256")))
    write("django-argon2", list(django_password("argon2")))
    write("django-bcrypt", list(django_password("bcrypt_sha256")))


main()
