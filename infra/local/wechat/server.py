"""The account on loopback: the platform's calls as they are, and a page on which a person sees and presses things."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from jinja2 import Environment
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from infra.local.wechat.account import Account, Asked, Lost

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HOST = "127.0.0.1"
_MOST_BYTES = 12_000_000
_PAUSE = 0.5
_POLICY = "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"
"""An article is somebody's content: on its page nothing of it runs."""
_PAGE = Environment(autoescape=True).from_string("""<!doctype html><html lang="zh-Hans"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>公众号 · Official account</title>
<link rel="icon" href="data:,">
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1f2328}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}li{margin:.6rem 0}small{color:#5b6470}form{display:inline}
button{font:inherit;min-height:44px;padding:0 1rem}</style>
<h1>公众号 · Official account</h1><p><small>{{ account.app_id }}</small></p>
<h2>已发布 · Published</h2><ul>{% for article in published %}
<li><a href="/s/{{ article.article_id }}">{{ article.content.title }}</a>
<small>{{ article.content.author }} · {{ article.published_at.strftime("%Y-%m-%d %H:%M") }} UTC</small></li>
{% else %}<li><small>暂无 · Nothing yet</small></li>{% endfor %}</ul>
<h2>草稿箱 · Drafts</h2><ul>{% for media_id, articles in account.drafts.items() %}<li>{{ articles[0].title }}
<form method="post" action="/press-publish"><button name="media_id"
value="{{ media_id }}">发布 · Publish</button></form></li>
{% else %}<li><small>暂无 · Nothing yet</small></li>{% endfor %}</ul>
<h2>群发 · Sent to all</h2><ul>{% for message in account.messages.values() %}
<li>{{ message.media_id }} <small>{{ message.status }}</small>
{% if message.status == "CONFIRMING" %}<form method="post" action="/confirm">
<button name="msg_id" value="{{ message.msg_id }}">确认 · Confirm</button></form>{% endif %}</li>
{% else %}<li><small>暂无 · Nothing yet</small></li>{% endfor %}</ul></html>""")
_ARTICLE = Environment(
    autoescape=True
).from_string("""<!doctype html><html lang="zh-Hans"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{{ article.title }}</title>
<link rel="icon" href="data:,">
<body style="max-width:40rem;margin:1rem auto;padding:0 1rem;font-family:system-ui,sans-serif">
<h1>{{ article.title }}</h1>
<p>{{ article.author }}</p>{{ content }}<p><a href="{{ article.content_source_url }}">阅读原文</a></p></html>""")


class Site:
    """The account as a WSGI application."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Any:  # noqa: ANN401 — WSGI
        """Answer a call or show a page; where the account answers nothing, end the connection."""
        with Request(environ) as request:
            request.max_content_length = _MOST_BYTES
            try:
                answer = self._answer(request)
            except RequestEntityTooLarge:
                answer = Response(status=413)
            except Lost:
                with suppress(OSError):
                    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                answer = Response()
            return answer(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.path.startswith(("/cgi-bin/", "/datacube/")):
            media = request.files.get("media")
            said = self.account.answer(
                Asked(
                    path=request.path,
                    query=request.args,
                    raw=request.get_data(),
                    media=None if media is None else media.read(),
                    address=request.remote_addr or "",
                )
            )
            # As the platform does: always 200, and called plain text.
            return Response(json.dumps(said, ensure_ascii=False), content_type="text/plain; charset=utf-8")
        return self._pressed(request) if request.method == "POST" else self._shown(request)

    def _pressed(self, request: Request) -> Response:
        match request.path:
            case "/press-publish":
                self.account.press_publish(request.form["media_id"])
            case "/confirm":
                self.account.confirm(request.form["msg_id"])
            case _:
                return Response(status=404)
        return redirect("/", 303, Response=Response)

    def _shown(self, request: Request) -> Response:
        _, kind, name = f"{request.path}/".split("/", 2)
        picture = self.account.pictures.get(f"{self.account.base}{request.path}")
        article = self.account.articles.get(name.rstrip("/"))
        if request.path == "/":
            there = [each for each in self.account.articles.values() if each.is_there]
            return _page(_PAGE.render(account=self.account, published=there[::-1]))
        if kind == "pictures" and picture is not None:
            return Response(picture, content_type="image/jpeg")
        if kind == "s" and article is not None and article.is_there:
            content = _Html(article.content["content"])
            answer = _page(_ARTICLE.render(article=article.content, content=content))
            answer.headers["Content-Security-Policy"] = _POLICY
            return answer
        return Response(status=404)


class _Html(str):
    """A content that the account has let in: shown as it is, under a policy that lets nothing of it run."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def _page(text: str) -> Response:
    return Response(text, content_type="text/html; charset=utf-8", headers={"Cache-Control": "no-store"})


class _Quiet(WSGIRequestHandler):
    """Logs nothing: addresses hold tokens."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ANN401 — werkzeug's
        """Nothing."""


@contextmanager
def serving(site: Site, *, port: int = 0) -> Iterator[str]:
    """The account on loopback for the length of a block; answers its address, at which its pictures are, too."""
    server = make_server(HOST, port, site, threaded=True, request_handler=_Quiet)
    site.account.base = f"http://{HOST}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site.account.base
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def passing_time(pass_time: Callable[[], None], *, pause: float = _PAUSE) -> Iterator[None]:
    """Let the account's publications end by themselves for the length of a block; `pause` is in seconds."""
    stop = threading.Event()

    def go_on() -> None:
        while not stop.wait(pause):
            pass_time()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(1)
