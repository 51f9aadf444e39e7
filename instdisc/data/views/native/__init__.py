"""Views finished on the CPU by loops that the machine's C compiler makes."""
