"""How a method trains: steps, batches, optimiser, schedules, resuming, what is logged."""
