"""A job that takes its time and says where it is, to watch output arrive and executions not overlap."""

import argparse
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=9)
parser.add_argument("--pause", type=float, default=10.0, help="seconds between steps")
asked = parser.parse_args()

for step in range(1, asked.steps + 1):
    print(f"step {step} of {asked.steps} ... zzz")
    time.sleep(asked.pause)
print("awake")
