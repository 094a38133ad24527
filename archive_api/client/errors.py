"""What the archive's API answered when it refused, as an error of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping

import httpx2

from archive_api.errors import ApiError

__all__ = ["ProblemError", "raise_for_problem"]


class ProblemError(ApiError):
    """The API refused a request with problem+json (RFC 9457).

    Attributes:
        status: HTTP status.
        code: the stable code of the refusal.
        zh: Chinese text.
        en: English text.
        document: the whole problem document.
    """

    def __init__(self, status: int, document: Mapping[str, object]) -> None:
        titles = document.get("title")
        title = titles if isinstance(titles, Mapping) else {}
        plain = str(titles) if isinstance(titles, str) else f"HTTP {status}"
        detail = str(document.get("detail") or "")
        zh = str(document.get("title_zh") or title.get("zh") or plain)
        en = str(document.get("title_en") or title.get("en") or plain)
        super().__init__(f"{en}: {detail}" if detail else en)
        self.status = status
        self.code = str(document.get("code") or f"http_{status}")
        self.zh = f"{zh}：{detail}" if detail else zh
        self.en = f"{en}: {detail}" if detail else en
        self.document = dict(document)


def raise_for_problem(response: httpx2.Response) -> None:
    """Raise ProblemError for any status of 400 and above.

    Args:
        response: an answer whose body has been read.

    Raises:
        ProblemError: the API refused.
    """
    if response.status_code < 400:
        return
    try:
        document = json.loads(response.content)
    except ValueError:
        document = {"detail": response.text[:500]}
    if not isinstance(document, dict):
        document = {"detail": json.dumps(document, ensure_ascii=False)[:500]}
    raise ProblemError(response.status_code, document)
