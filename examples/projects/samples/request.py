"""Ask a web address and print the answer's head; exit 1 with one clear line when there is none."""

import argparse
import sys
import urllib.error
import urllib.request

LIMIT = 2000  # bytes of the answer that are read


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds")
    asked = parser.parse_args()
    if not asked.url.startswith(("http://", "https://")):
        print(f"{asked.url} is not an http or https address", file=sys.stderr)
        return 1
    try:
        with urllib.request.urlopen(asked.url, timeout=asked.timeout) as answer:
            body = answer.read(LIMIT)
            print(f"{asked.url}: {answer.status} {answer.reason}")
            print(body.decode("utf-8", errors="replace"))
    except urllib.error.HTTPError as error:
        print(f"{asked.url}: the server says {error.code} {error.reason}", file=sys.stderr)
        return 1
    except OSError as error:
        reason = getattr(error, "reason", error)
        print(f"{asked.url}: no answer ({reason}); give another address with -p url=...", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
