from __future__ import annotations

import hashlib
import hmac
import re
import urllib.error
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

from tests.support.git_server import Upstream
from tests.support.live import Live
from tests.support.stores import open_store
from tests.support.waiting import until

SETTINGS = """
[projects.shop]
git = "{url}"
poll = "1h"
webhook = {{from_file = "{secret}"}}
"""


def push(url: str, body: bytes, signature: str) -> int:
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Event": "push", "X-GitHub-Delivery": "1"}
    request = urllib.request.Request(f"{url}/hooks/git/shop", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def live_commit(live: Live) -> str:
    with suppress(OSError):
        return (live.root / ".windmill" / "projects" / "shop.json").read_text()
    return ""


def test_a_signed_push_makes_the_new_commit_live_long_before_its_poll(tmp_path: Path) -> None:
    upstream, secret = Upstream(tmp_path / "shop"), tmp_path / "secret"
    first = upstream.commit({"hello.py": "print('one')\n"})
    secret.write_text("s3cret\n")
    with Live(tmp_path / "home", SETTINGS.format(url=upstream.url, secret=secret)) as live:
        up = live.up("--port", "0")
        until(lambda: re.search(r"Dashboard: (\S+)", live.messages()), timeout=30)
        (url,) = re.findall(r"Dashboard: (\S+)", live.messages())
        until(lambda: first in live_commit(live), timeout=60, what="the first commit is live")
        second = upstream.commit({"hello.py": "print('two')\n"})
        assert push(url, b"{}", "sha256=00") == 401
        assert push(url, b"{}", "sha256=" + hmac.new(b"s3cret", b"{}", hashlib.sha256).hexdigest()) == 202
        until(lambda: second in live_commit(live), timeout=60, what="the second commit is live")
        with closing(
            open_store(live.store_uri or str(live.root / ".windmill" / "windmill.db"), readonly=True)
        ) as store:
            assert [(one["kind"], one["by"], one["state"]) for one in store.requests().items] == [
                ("poll", "webhook", "done")
            ]
        up.kill()
        up.wait()
        until(lambda: not any("dashboard" in Path(f"/proc/{pid}/cmdline").read_text() for pid in live.processes()))
