"""Settings of the HTTP API and the pages it serves."""

from __future__ import annotations

from cab_core.settings import lists, parse
from cab_core.settings.setting import section, setting


@section
class ApiSettings:
    """Who may reach the HTTP server, and how often."""

    api_enabled: bool = setting(
        "true", parse.boolean(), "Whether `cab run` serves the HTTP API and the pages."
    )
    api_allowed_hosts: tuple[str, ...] = setting(
        "localhost,127.0.0.1,::1",
        lists.hosts(),
        "Host names the server answers to; add the name it is reached by behind a proxy or in a container.",
    )
    api_rate_per_min: int = setting(
        "120",
        parse.whole(1, 1_000_000),
        "Requests per minute and client; a browser that has logged in may send five times as many.",
    )
    api_failed_logins_per_min: int = setting(
        "10", parse.whole(1, 10_000), "Wrong tokens and login codes per minute and address."
    )
    api_streams: int = setting("64", parse.whole(1, 10_000), "Listeners of the live stream at the same time.")
