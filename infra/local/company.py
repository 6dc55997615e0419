"""The company's accounts on a laptop: a provider of OpenID Connect on Authlib, at which one says who one is.

It keeps to the protocol: one-time codes, PKCE, nonce, signed ID tokens with the time of signing in. That it asks for
no password is what makes it the laptop's.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from flask import Flask, jsonify, render_template_string, request
from joserfc.jwk import ECKey, KeySet
from werkzeug.serving import WSGIRequestHandler, make_server

CLIENT, ALGORITHM = "imprimatur", "ES256"
HOST = "127.0.0.1"
_PAGE = """<!doctype html><html lang="zh-Hans"><meta charset="utf-8"><title>公司账号 · Company accounts</title>
<link rel="icon" href="data:,"><h1>公司账号 · Company accounts</h1>
<p>样例：选择您是谁。 · A sample: say who you are.</p>
<form method="post">{% for sub, claims in people.items() %}
<p><button name="sub" value="{{ sub }}">{{ claims.name }} &lt;{{ claims.email }}&gt;</button></p>{% endfor %}
</form></html>"""

Claims = Mapping[str, Any]
"""What an ID token says of a person, `email` and `email_verified` above all."""


class _Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """The desk, known by where it asks to be answered."""

    def __init__(self, redirect_uri: str) -> None:
        self._redirect_uri = redirect_uri

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return self._redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self._redirect_uri

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method, endpoint) == ("none", "token")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass(frozen=True, kw_only=True)
class _Code(AuthorizationCodeMixin):  # type: ignore[misc]  # as above
    code: str
    subject: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str
    auth_time: int

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass
class Company:
    """The accounts by subject. `now` is the provider's clock, in seconds since 1970."""

    people: Callable[[], Mapping[str, Claims]]
    redirect_uri: str
    now: Callable[[], float] = time.time
    issuer: str = ""
    codes: dict[str, _Code] = field(default_factory=dict)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "laptop"}))

    def app(self) -> Flask:
        """Its addresses: what it says of itself, signing in, tokens, keys."""
        app = Flask(__name__)
        client = _Client(self.redirect_uri)
        server = AuthorizationServer(
            app,
            query_client=lambda name: client if name == CLIENT else None,
            save_token=lambda _token, _request: None,
        )
        server.register_grant(
            _grant_of(self), [_open_id_of(self)(require_nonce=True), CodeChallenge(required=True)]
        )

        @app.get("/.well-known/openid-configuration")
        def metadata() -> Any:  # noqa: ANN401 — Flask's
            return jsonify(
                issuer=self.issuer,
                authorization_endpoint=f"{self.issuer}/authorize",
                token_endpoint=f"{self.issuer}/token",
                jwks_uri=f"{self.issuer}/jwks",
                response_types_supported=["code"],
                subject_types_supported=["public"],
                id_token_signing_alg_values_supported=[ALGORITHM],
            )

        @app.get("/jwks")
        def keys() -> Any:  # noqa: ANN401 — as above
            return jsonify(KeySet([self.key]).as_dict(private=False))

        @app.get("/authorize")
        def ask() -> Any:  # noqa: ANN401 — as above
            try:
                server.get_consent_grant(end_user=None)
            except OAuth2Error as error:
                return jsonify(dict(error.get_body())), 400
            return render_template_string(_PAGE, people=self.people())

        @app.post("/authorize")
        def allow() -> Any:  # noqa: ANN401 — as above
            subject = request.form.get("sub", "")
            user = subject if subject in self.people() else None
            try:
                grant = server.get_consent_grant(end_user=user)
            except OAuth2Error as error:
                return jsonify(dict(error.get_body())), 400
            return server.create_authorization_response(grant_user=user, grant=grant)

        @app.post("/token")
        def token() -> Any:  # noqa: ANN401 — as above
            return server.create_token_response()

        return app


def _grant_of(company: Company) -> type[AuthorizationCodeGrant]:
    class Grant(AuthorizationCodeGrant):  # type: ignore[misc]  # as above
        TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

        def save_authorization_code(self, code: str, asked: Any) -> None:  # noqa: ANN401 — Authlib's
            said = asked.payload.data
            company.codes[code] = _Code(
                code=code,
                subject=asked.user,
                redirect_uri=asked.payload.redirect_uri,
                scope=asked.payload.scope,
                nonce=said["nonce"],
                code_challenge=said["code_challenge"],
                code_challenge_method=said["code_challenge_method"],
                auth_time=int(company.now()),
            )

        def query_authorization_code(self, code: str, _client: _Client) -> _Code | None:
            return company.codes.get(code)

        def delete_authorization_code(self, authorization_code: _Code) -> None:
            company.codes.pop(authorization_code.code, None)

        def authenticate_user(self, authorization_code: _Code) -> str:
            return authorization_code.subject

    return Grant


def _open_id_of(company: Company) -> type[OpenIDCode]:
    class Extension(OpenIDCode):  # type: ignore[misc]  # as above
        def exists_nonce(self, nonce: str, _asked: Any) -> bool:  # noqa: ANN401 — as above
            return any(code.nonce == nonce for code in company.codes.values())

        def resolve_client_private_key(self, _client: _Client) -> ECKey:
            return company.key

        def get_client_algorithm(self, _client: _Client) -> str:
            return ALGORITHM

        def get_client_claims(self, _client: _Client) -> dict[str, Any]:
            return {"iss": company.issuer}

        def get_compatible_claims(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401 — as above
            now = int(company.now())
            return {
                "iss": company.issuer,
                "aud": asked.client.get_client_id(),
                "iat": now,
                "exp": now + 600,
            }

        def generate_user_info(self, user: str, _scope: str) -> dict[str, Any]:
            return {"sub": user, **company.people()[user]}

    return Extension


class _Quiet(WSGIRequestHandler):
    """Logs nothing: what is asked for holds codes."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ANN401 — werkzeug's
        """Nothing."""


@contextmanager
def serving(company: Company, *, port: int = 0) -> Iterator[Company]:
    """The provider on loopback, for the length of a block; `issuer` is then its address."""
    app = company.app()
    app.secret_key = secrets.token_bytes(32)

    def over_loopback(environ: dict[str, Any], start_response: Any) -> Any:  # noqa: ANN401 — WSGI
        """Authlib wants HTTPS; within one machine there is none to be had, nor needed."""
        return app(environ | {"wsgi.url_scheme": "https"}, start_response)

    server = make_server(HOST, port, over_loopback, threaded=True, request_handler=_Quiet)
    company.issuer = f"http://{HOST}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield company
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
