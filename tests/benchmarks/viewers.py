"""How soon a printed line is with a hundred people who watch it, and what the pages take meanwhile."""

from __future__ import annotations

import asyncio
import base64
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.benchmarks import homes
from tests.benchmarks.machine import percentile
from tests.benchmarks.table import Row
from tests.support.browser import PROGRAM, chromium
from tests.support.live import Live
from tests.support.waiting import until

CHATTY: Final = """
    import random, time
    chance = random.Random(1)
    end = time.monotonic() + {seconds}
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.05, 0.15))
        print(time.time_ns())
"""
ARRIVING: Final = 3  # seconds in which the viewers come, and which do not count
APART: Final = 0.2  # seconds between two page loads
DELIVERED_MS: Final = 800
PAGE_MS: Final = 100
# Notes, for every line that is drawn, how long ago it was printed; runs in the page.
_WATCH: Final = """() => {
    window.delays = [];
    let last = "";
    new MutationObserver(() => {
        const now = Date.now();
        const shown = document.querySelector(".xterm-rows").textContent.match(/\\d{19}/g)?.at(-1);
        if (shown && shown !== last) window.delays.push(now - Number(shown) / 1e6);
        last = shown ?? last;
    }).observe(document.querySelector(".xterm-rows"), { childList: true, subtree: true, characterData: true });
}"""


@dataclass(slots=True)
class Seen:
    """Milliseconds, and how many viewers got lines."""

    delivered: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    refused: int = 0


def viewers(number: int, seconds: int) -> Iterator[Row]:
    """A job prints the time; so many viewers get it by streams while pages are loaded."""
    with homes.home() as live:
        live.script("chatty.py", CHATTY.format(seconds=seconds + 4 * ARRIVING + 10))
        live.job("chatty", "entry_point: chatty.py")
        live.up("--port", "0")
        until(lambda: homes.catalog_read(live, 1) and _url(live), timeout=60)
        live.cli("run", "--detach", "chatty")
        until(lambda: live.executions("p/chatty"), timeout=30)
        identity, port = live.executions("p/chatty")[0]["id"], int(_url(live).rpartition(":")[2])
        alone = asyncio.run(_pages_only(port, identity, ARRIVING))
        seen = asyncio.run(_watched(port, identity, number, seconds))
        yield from _rows(number, seen, alone)
        if PROGRAM is not None:
            yield _drawn(f"{_url(live)}/executions/{identity}", seconds // 3)


def _url(live: Live) -> str:
    return str((re.findall(r"Dashboard: (http://127\.0\.0\.1:\d+)", live.messages()) or [""])[-1])


def _rows(number: int, seen: Seen, alone: Seen) -> Iterator[Row]:
    lines, pages = percentile(seen.delivered, 0.95), percentile(seen.pages, 0.95)
    yield Row(
        measure=f"{number} viewers: print -> received p95",
        measured=f"{lines:.0f} ms",
        budget=f"< {DELIVERED_MS} ms",
        within=lines < DELIVERED_MS,
        remarks=_remarks(seen.delivered, "lines"),
        wrong=f"{seen.refused} viewers got nothing" if seen.refused else "",
    )
    yield Row(
        measure=f"{number} viewers: a page meanwhile p95",
        measured=f"{pages:.0f} ms",
        budget=f"< {PAGE_MS} ms",
        within=pages < PAGE_MS,
        ratio=f"{pages / percentile(alone.pages, 0.95):.1f} x without viewers",
        remarks=_remarks(seen.pages, "pages"),
    )


def _remarks(milliseconds: list[float], what: str) -> str:
    return f"p50 {percentile(milliseconds, 0.5):.0f}, max {max(milliseconds):.0f}; {len(milliseconds)} {what}"


async def _watched(port: int, identity: str, number: int, seconds: int) -> Seen:
    seen = Seen()
    begin = time.time() + ARRIVING
    loads = asyncio.create_task(_load(port, identity, seen, begin, begin + seconds))
    watch = [_watch(port, identity, seen, begin, begin + seconds) for _ in range(number)]
    await asyncio.gather(loads, *watch)
    return seen


async def _pages_only(port: int, identity: str, seconds: int) -> Seen:
    seen = Seen()
    await _load(port, identity, seen, time.time(), time.time() + seconds)
    return seen


async def _watch(port: int, identity: str, seen: Seen, begin: float, end: float) -> None:
    await asyncio.sleep(random.uniform(0, ARRIVING * 0.8))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    writer.write(_request(f"/api/v1/executions/{identity}/output/stream"))
    got, rest = 0, b""
    try:
        async with asyncio.timeout(end - time.time()):
            async for line in reader:
                if not line.startswith(b"data: ") or line.count(b" ") != 3:
                    continue
                now = time.time()
                *whole, rest = (rest + base64.b64decode(line.rsplit(b" ", 1)[1])).split(b"\n")
                delays = [(now - int(printed) / 1e9) * 1000 for printed in whole if int(printed) / 1e9 > begin]
                seen.delivered += delays
                got += len(delays)
    except TimeoutError:
        pass
    finally:
        writer.close()
    seen.refused += got == 0


async def _load(port: int, identity: str, seen: Seen, begin: float, end: float) -> None:
    """Load pages at a steady pace, however long each takes."""
    await asyncio.sleep(max(begin - time.time(), 0))
    loads: list[asyncio.Task[None]] = []
    paths = ["/", f"/executions/{identity}", "/executions", "/upcoming"]
    while time.time() < end:
        loads.append(asyncio.create_task(_page(port, paths[len(loads) % len(paths)], seen)))
        await asyncio.sleep(APART)
    await asyncio.gather(*loads)


async def _page(port: int, path: str, seen: Seen) -> None:
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request(path))
    answer = await reader.read()
    writer.close()
    if b" 200 " not in answer[:20]:
        raise ValueError(f"{path}: {answer[:100]!r}")
    seen.pages.append((time.perf_counter() - began) * 1000)


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def _drawn(url: str, seconds: int) -> Row:
    with chromium() as browser:
        browser.page.goto(url)
        browser.page.wait_for_selector(".xterm-rows")
        browser.page.wait_for_timeout(1000)
        browser.page.evaluate(_WATCH)
        browser.page.wait_for_timeout(seconds * 1000)
        delays = browser.page.evaluate("() => window.delays")
    worst = percentile(delays, 0.95)
    return Row(
        measure="print -> drawn by Chromium p95",
        measured=f"{worst:.0f} ms",
        budget=f"< {DELIVERED_MS} ms",
        within=worst < DELIVERED_MS,
        remarks=_remarks(delays, "lines"),
    )
