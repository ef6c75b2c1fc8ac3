"""The smallest job: say hello, and what WindMill told us."""

import os

print("Hello, world!")
for name, value in sorted(os.environ.items()):
    if name.startswith("WINDMILL_"):
        print(f"  {name}={value}")
