"""Keeping secrets out of what is recorded for everybody to see: MLflow, lineage, cards, errors in Dagster's event log.

Works by names and by what the environment holds; it cannot recognise a secret that neither gives away.
"""

import os
import re
from collections.abc import Collection, Mapping

REDACTED = "[redacted]"
"""Stands where a secret stood."""

_SECRET_NAME = re.compile(
    r"(^|[_.\-/])(token|secret|password|passwd|credentials?|api[_-]?key|access[_-]?key|private[_-]?key|auth|webhook)$",
    re.I,
)
_URL_USER = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_SHORTEST_SECRET = 8


def redact(parameters: Mapping[str, str], environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """`parameters` with secrets replaced: by the parameter's name, in URLs with a user, and by the environment.

    A value of the environment (default: the process's) counts as a secret if its variable is named like one and it has
    at least 8 characters; it is replaced wherever it occurs.
    """
    secrets = _secrets_of(os.environ if environment is None else environment)
    return {
        name: REDACTED if _SECRET_NAME.search(name) else _redact(value, secrets) for name, value in parameters.items()
    }


def redact_text(text: str, environment: Mapping[str, str] | None = None) -> str:
    """`text` without the environment's secrets and without the users of URLs; see `redact`."""
    return _redact(text, _secrets_of(os.environ if environment is None else environment))


def redact_error(error: BaseException, variables: Collection[str] = ()) -> None:
    """Replace secrets in the messages of `error` and of all that led to it, in place; tracebacks stay what they are.

    What counts as a secret: as in `redact`, and whatever the environment's `variables` hold.
    """
    secrets = _secrets_of(os.environ, variables)
    chain: list[BaseException] = []
    following: list[BaseException | None] = [error]
    while following:
        link = following.pop()
        if link is not None and link not in chain:
            chain.append(link)
            following += [link.__cause__, link.__context__]
    for link in chain:
        link.args = tuple(_redact(part, secrets) if isinstance(part, str) else part for part in link.args)


def _secrets_of(environment: Mapping[str, str], variables: Collection[str] = ()) -> list[str]:
    return [
        value
        for name, value in environment.items()
        if (name in variables and value) or (_SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET)
    ]


def _redact(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return _URL_USER.sub(REDACTED, text)
