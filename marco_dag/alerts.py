"""Alerts: telling people outside that a run failed, by one JSON message to a webhook of theirs.

What is sent is a `text` that chat services understand, and the same facts as fields for programs. The address
is a secret, since whoever knows it may write there: it stands in an environment variable and in no message made here.
"""

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from marco_dag.errors import AlertError
from marco_dag.redaction import redact_text

WEBHOOK_VARIABLE = "MARCO_ALERT_WEBHOOK"
"""Environment variable with the address that alerts are posted to; without it there are none."""
WEB_VARIABLE = "MARCO_WEB_URL"
"""Environment variable with the address of the web UI as its readers reach it, for links; without it there are none."""

_TRIES = 3
_WAIT_S = 0.5
_TIMEOUT_S = 3.0
_LAST_TRY_S = 7.0
"""Seconds after the first try in which another may begin: a tick tells of five runs, and Dagster gives it 60 s."""
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Alert:
    """A run that failed."""

    run_id: str
    job: str
    partition: str | None
    """What it was to make; None where the job has no partitions."""
    steps: Sequence[str]
    """The steps that failed; none where the run itself broke off."""
    assets: Sequence[str]
    """What those steps were to make, each as "asset" or "asset/partition"."""
    error: str
    """What went wrong, as the log has it; secrets are replaced and the end is cut before it is sent."""

    def payload(self) -> dict[str, object]:
        """What is posted: `text` in Markdown, and every field, with a `link` to the run where the web UI is known."""
        error = redact_text(self.error)[:_LONGEST]
        web = os.environ.get(WEB_VARIABLE, "").rstrip("/")
        link = f"{web}/runs/{self.run_id}" if web else None
        what = f"{self.job}, {self.partition}" if self.partition else self.job
        failed = f" in {', '.join(self.steps)}" if self.steps else ""
        failed += f" ({', '.join(self.assets)})" if self.assets else ""
        text = f"Run {self.run_id[:8]} of {what} failed{failed}\n```\n{error}\n```" + (f"\n{link}" if link else "")
        return {**asdict(self), "error": error, "link": link, "text": text}


def webhook() -> str | None:
    """The address that alerts go to; None where there is none. AlertError where it is no http address."""
    address = os.environ.get(WEBHOOK_VARIABLE)
    if not address:
        return None
    if urlsplit(address).scheme not in ("http", "https"):
        raise AlertError(f"{WEBHOOK_VARIABLE}: is no http:// or https:// address")
    return address


def post(alert: Alert, address: str, *, wait_s: float = _WAIT_S) -> None:
    """Post `alert`, up to three times, `wait_s` seconds apart and twice that; AlertError says how the last one failed.

    An answer of 300 to 499 other than 429 is final. Waits at most 3 seconds for each answer and about 10 in all.
    """
    body = json.dumps(alert.payload()).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})  # `webhook` looks
    opener = urllib.request.build_opener(_NoRedirects)
    last_try = time.monotonic() + _LAST_TRY_S
    for attempt in range(1, _TRIES + 1):
        try:
            with opener.open(request, timeout=_TIMEOUT_S):
                return
        except urllib.error.HTTPError as error:
            error.close()
            final, why = 300 <= error.code < 500 and error.code != 429, f"it answers {error.code}"
        except (OSError, ValueError, http.client.HTTPException) as error:
            final, why = False, f"{type(error).__name__}: {getattr(error, 'reason', '') or 'no answer'}"
        wait = wait_s * 2 ** (attempt - 1)
        if final or attempt == _TRIES or time.monotonic() + wait > last_try:
            raise AlertError(f"the webhook of {WEBHOOK_VARIABLE} took no alert of run {alert.run_id}: {why}")
        time.sleep(wait)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected would arrive as a GET without its body, and count as taken."""

    def redirect_request(self, *_: object) -> None:
        """None: the redirection is an HTTPError."""
