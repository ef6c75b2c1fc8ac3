"""The pure floor: decides, never acts. Standard library and cronsim only; no I/O, clock, thread or log."""
