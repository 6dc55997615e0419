"""The address at which the WeChat platform tells what has become of a publication.

It is no page, and nobody is signed in there: the platform is known by its signature alone, and is believed no more than
that there is something to ask for.
"""

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.http import BASE_HEADERS, Exchange
from chalicelib.web.pages import page_view

wechat_pages = Blueprint(__name__)

CALLBACK = "/wechat/callback"
_XML = ["text/xml", "application/xml"]


@wechat_pages.route(CALLBACK, methods=["GET"])
@page_view(wechat_pages)
def greet_wechat(exchange: Exchange) -> Response:
    return _text(bootstrap.parts().wechat_callback.greet(exchange.query))


@wechat_pages.route(CALLBACK, methods=["POST"], content_types=_XML)
@page_view(wechat_pages)
def hear_wechat(exchange: Exchange) -> Response:
    return _text(bootstrap.parts().wechat_callback.hear(exchange.query, exchange.raw))


def _text(said: str) -> Response:
    return Response(body=said, headers={**BASE_HEADERS, "Content-Type": "text/plain; charset=utf-8"})
