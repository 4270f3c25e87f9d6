# SPDX-License-Identifier: Apache-2.0
"""
The page that asks a person who has followed a link, and the one that thanks.

A link in a mail is followed by scanners before any person sees it. So following it shows a page and changes
nothing; only the button on the page does, which posts the answer to the same address. No script, nothing
from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Response

#: Nothing but its own style and its own form; kept by no cache, and no referrer for other pages.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}

#: What a person may write besides (characters).
MAX_WORD = 2000

_STYLE = """\
:root { color-scheme: light dark; }
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 4rem auto; padding: 0 1rem; }
p { white-space: pre-wrap; }
button { font: inherit; padding: .5rem 1.5rem; margin: 1rem 1rem 0 0; cursor: pointer; }
label { display: block; margin-top: 1rem; }
textarea { font: inherit; width: 100%; box-sizing: border-box; }
"""


def page(asked: Mapping[str, Any], party: str = "") -> Response:
    """
    The page with the question.

    :param asked: ``subject``, ``body`` and ``options``, an answer's label -> the state that it means
    :param party: who is asked, where several are
    """
    forms = "".join(
        f'<button name="answer" value="{escape(label, quote=True)}">{escape(label)}</button>'
        for label in asked.get("options", {})
    )
    who = f"<p>For {escape(party)}.</p>" if party else ""
    body = str(asked.get("body") or "")
    return _html(
        str(asked.get("subject", "")),
        f"{who}{f'<p>{escape(body)}</p>' if body else ''}"
        '<form method="post"><label>A word on it, if you like<textarea name="message" rows="2" '
        f'maxlength="2000"></textarea></label>{forms}</form>',
    )


def read(asked: Mapping[str, Any], body: bytes) -> tuple[str, str, str] | None:
    """
    A person's answer: the button's label, what it means, and the word on it; None where the form is not ours.

    :param asked: as :func:`page` got it
    """
    try:
        form = dict(parse_qsl(body.decode("utf-8"), max_num_fields=10))
    except ValueError:
        return None
    answer = form.get("answer", "")
    state = asked.get("options", {}).get(answer)
    return None if state is None else (answer, str(state), form.get("message", "").strip()[:MAX_WORD])


def answered(*, late: bool) -> Response:
    """
    What the person sees after the button.

    :param late: the task does not wait for the answer any more
    """
    if late:
        return _html("Thank you", "<p>Your answer is no longer needed. You can close this page.</p>")
    return _html("Thank you", "<p>Your answer has arrived. You can close this page.</p>")


def refused(answer: Response) -> Response:
    """
    What the person sees when the answer could not be taken.

    :param answer: the receiver's
    """
    if answer.status_code in (408, 503):
        text = "<p>Your answer could not be taken just now. Go back and try again.</p>"
        return _html("Not now", text, answer.status_code)
    return _html("This link is not good", "<p>Your answer could not be taken.</p>", answer.status_code)


def _html(title: str, content: str, status: int = 200) -> Response:
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<style>{_STYLE}</style><main><h1>{escape(title)}</h1>{content}</main></html>"
    )
    return Response(text, status_code=status, media_type="text/html; charset=utf-8", headers=_HEADERS)
