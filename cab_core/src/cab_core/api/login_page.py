"""The page to log in: a form without script, so that it works where nothing else does."""

from __future__ import annotations

from html import escape

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Log in · cab</title>
</head>
<body>
<main>
<h1>cab</h1>
{notice}<form method="post" action="/login">
<p><label for="token">Token</label><br>
<input id="token" name="token" type="password" autocomplete="off" required autofocus></p>
<p><button>Log in</button></p>
</form>
<p>Make a token on the bot's machine: <code>cab token new NAME</code>.
The bot also prints a link that logs in once, within a minute of its start.</p>
</main>
</body>
</html>
"""


def login_page(problem: str = "") -> str:
    """Return the page, with what was wrong the last time."""
    notice = f'<p role="alert">{escape(problem)}</p>\n' if problem else ""
    return _PAGE.format(notice=notice)
