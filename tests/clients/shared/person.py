"""A person with a browser: cookies, redirects, and the forms of the pages."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests


class Form(HTMLParser):
    """The first form of a page that is posted, as far as a browser without scripts would use it."""

    def __init__(self, html):
        super().__init__()
        self.action, self.fields, self.buttons, self.state = "", {}, [], "before"
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form" and self.state == "before" and attrs.get("method", "").lower() == "post":
            self.state, self.action = "inside", attrs.get("action") or ""
        if self.state != "inside" or not attrs.get("name"):
            return
        kind = attrs.get("type", "submit" if tag == "button" else "text")
        if tag == "button" or kind in ("submit", "button"):
            self.buttons.append((attrs["name"], attrs.get("value", "")))
        elif tag == "input" and (kind != "checkbox" or "checked" in attrs):
            self.fields[attrs["name"]] = attrs.get("value", "")

    def handle_endtag(self, tag):
        if tag == "form" and self.state == "inside":
            self.state = "after"


class Person:
    """Signs in once, and agrees to what the consent page asks."""

    def __init__(self, username="jdoe", password="password"):
        self.username, self.password = username, password
        self.browser = requests.Session()

    def authorize(self, url, redirect_uri):
        """Opens an authorization URL and goes on until the browser is sent back to redirect_uri; that address."""
        asked, page = False, self.browser.get(url, allow_redirects=False)
        for _ in range(8):
            if "location" in page.headers:
                target = urljoin(page.url, page.headers["location"])
                if target.startswith(redirect_uri):
                    return target
                page = self.browser.get(target, allow_redirects=False)
                continue
            form = Form(page.text)
            if form.state == "before":
                raise AssertionError(f"no way on from {page.url} ({page.status_code}): {page.text[:500]}")
            if "password" in form.fields:
                assert not asked, f"the credentials were refused: {page.text[:500]}"
                asked = True
                form.fields.update(username=self.username, password=self.password)
            else:
                form.fields.update(button for button in form.buttons if button[1] == "allow")
            action = urljoin(page.url, form.action)
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(action))
            headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
            page = self.browser.post(action, data=form.fields, headers=headers, allow_redirects=False)
        raise AssertionError("lost on the way to the redirect URI")
