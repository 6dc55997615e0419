"""A browser without scripts: cookies with their ends, forms and redirects, as the pages of the product meet them."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from app import app
from chalicelib.people.model import Person
from tests.world import ADDRESS, World, route_of

_NUMBERS = itertools.count(1)
_VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})


@dataclass
class Element:
    """An element of a page. `text` is all text inside."""

    tag: str
    attributes: dict[str, str]
    children: "list[Element]" = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its own text and that of all elements in it, in no particular order."""
        return "".join([*self.parts, *(child.text for child in self.children)])

    def all(self, tag: str, **attributes: str) -> "list[Element]":
        """Every element inside with this tag and these attributes; a `_` at the end of a name is dropped."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self.walk()
            if element.tag == tag and all(element.attributes.get(n) == v for n, v in wanted.items())
        ]

    def walk(self) -> "Iterator[Element]":
        """Every element inside, from the outside in."""
        for child in self.children:
            yield child
            yield from child.walk()


class _Reader(HTMLParser):
    """Reads a page strictly: whatever is opened is closed, in its order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute stands twice in {tag}: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].parts.append(data)

    def whole(self, html: str) -> Element:
        self.feed(html)
        self.close()
        assert self._open == [self.root], f"never closed: {[e.tag for e in self._open[1:]]}"
        return self.root


def read_page(html: str) -> Element:
    """The elements of a page. Raises AssertionError for one that is not well formed or names an id twice."""
    root = _Reader().whole(html)
    ids = [element.attributes["id"] for element in root.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids)), f"an id stands twice: {sorted(ids)}"
    return root


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a browser shows. `path` is where it ended after redirects; `headers` have their names in lower case."""

    status: int
    html: str
    headers: Mapping[str, str]
    path: str

    @property
    def page(self) -> Element:
        """The page's elements."""
        return read_page(self.html)

    def form(self, action: str) -> dict[str, list[str]]:
        """The fields of the form with that action, as a browser would send them untouched."""
        (form,) = self.page.all("form", action=action)
        fields: dict[str, list[str]] = {}
        for element in form.walk():
            name, kind = element.attributes.get("name"), element.attributes.get("type", "")
            if name is None or (kind in {"radio", "checkbox"} and "checked" not in element.attributes):
                continue
            if element.tag == "select":
                chosen = [o.attributes["value"] for o in element.all("option") if "selected" in o.attributes]
                values = chosen or [o.attributes["value"] for o in element.all("option")[:1]]
            elif element.tag == "textarea":
                values = [element.text.removeprefix("\n")]
            elif element.tag == "input":
                values = [element.attributes.get("value", "on" if kind == "checkbox" else "")]
            else:
                continue
            fields.setdefault(name, []).extend(values)
        return fields


class Browser:
    """One browser: it keeps cookies for as long as they live, and says where its requests come from."""

    def __init__(self, world: World, person: Person | None = None, *, language: str = "zh-CN") -> None:
        self.cookies: dict[str, str] = {}
        self._world = world
        self._ends: dict[str, datetime] = {}
        self._language = language
        self._person = person
        if person is not None:
            self.cookies["__Host-imprimatur"] = world.token(person)

    def get(self, path: str) -> Shown:
        """Open an address and follow where it leads."""
        return self._follow(self.send("GET", path))

    def post(self, path: str, fields: Mapping[str, str | Sequence[str]], **headers: str) -> Shown:
        """Post a form and follow where it leads."""
        return self._follow(self.send("POST", path, fields, **headers))

    def submit(self, shown: Shown, action: str, **fields: str | Sequence[str]) -> Shown:
        """Fill in the form with that action and post it."""
        return self.post(action, {**shown.form(action), **fields})

    def send(
        self, method: str, path: str, fields: Mapping[str, str | Sequence[str]] | None = None, **headers: str
    ) -> Shown:
        """One request, without following a redirect. Header names may be written with `_`."""
        address, query = urlsplit(path), dict(parse_qsl(urlsplit(path).query))
        resource, parameters = route_of(address.path)
        self._forget_what_has_ended()
        if self._person is not None:
            self._world.token(self._person)  # whose proof is then a fresh one
        sent = {
            "accept-language": self._language,
            "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "sec-fetch-site": "same-origin",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if fields is not None:
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
        raw = app(
            {
                "resource": resource,
                "path": address.path,
                "httpMethod": method,
                "headers": sent,
                "multiValueHeaders": {},
                "queryStringParameters": query or None,
                "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} or None,
                "pathParameters": parameters or None,
                "stageVariables": None,
                "requestContext": {
                    "httpMethod": method,
                    "resourcePath": resource,
                    "identity": {"sourceIp": ADDRESS},
                    "requestId": f"browser-{next(_NUMBERS)}",
                },
                "body": None if fields is None else urlencode(fields, doseq=True),
                "isBase64Encoded": False,
            },
            None,
        )
        many = {name.lower(): values for name, values in raw.get("multiValueHeaders", {}).items()}
        for value in many.get("set-cookie", []):
            self._keep(value)
        headers_shown = {name.lower(): value for name, value in raw.get("headers", {}).items()}
        return Shown(
            status=raw["statusCode"],
            html=raw["body"],
            headers=headers_shown | {name: "\n".join(values) for name, values in many.items()},
            path=address.path,
        )

    def _keep(self, set_cookie: str) -> None:
        for name, morsel in SimpleCookie(set_cookie).items():
            self.cookies[name] = morsel.value
            self._ends[name] = self._world.now() + timedelta(seconds=int(morsel["max-age"]))
        self._forget_what_has_ended()

    def _forget_what_has_ended(self) -> None:
        now = self._world.now()
        for name in [name for name, end in self._ends.items() if end <= now]:
            del self._ends[name]
            self.cookies.pop(name, None)

    def _follow(self, shown: Shown) -> Shown:
        while shown.status == 303:
            shown = self.send("GET", shown.headers["location"].partition("#")[0])
        return shown
