"""The composition root: the only package that picks implementations and wires them."""
