"""A job that fails: what you see is what Python prints, and the execution ends as failed with exit code 1."""


def divide(work: int, hands: int) -> float:
    return work / hands


print("Sharing the work out ...")
print(f"each gets {divide(10, 0)}")
