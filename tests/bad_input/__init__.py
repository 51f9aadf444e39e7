"""Every public callable x every argument x every bad value, each in a process that may die."""
