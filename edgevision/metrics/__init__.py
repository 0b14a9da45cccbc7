"""How good answers are, each figure with its uncertainty where it has one."""
