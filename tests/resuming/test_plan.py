"""Images and steps of a run, against a loop that counts them."""

import math
import random

import pytest

from instdisc.resuming.plan import Pace, Plan


def count(plan, num_epochs):
    """Images after each step: batch by batch, a step when a window is full or an epoch ends."""
    pace, seen, after = plan.pace, plan.images, [plan.images]
    left = [plan.batches_left] + [pace.epoch_batches] * num_epochs
    for number, batches in enumerate(left):
        images = plan.epoch_images if number == 0 else 0
        for batch in range(1, batches + 1):
            size = min(pace.batch, pace.epoch_images - images)
            images, seen = images + size, seen + size
            if batch % (pace.window // pace.batch) == 0 or batch == batches:
                after.append(seen)
    return after


@pytest.mark.parametrize("drops_last", [True, False])
def test_images_of_each_step_are_those_of_a_loop(drops_last):
    generator = random.Random(0)
    for _ in range(300):
        batch, accumulate = generator.randint(1, 6), generator.randint(1, 4)
        images = generator.randint(batch, 40)
        batches = images // batch if drops_last else math.ceil(images / batch)
        pace = Pace(batch, batch * accumulate, images, batches, drops_last)
        done = generator.randint(0, images)
        plan = Plan(generator.randint(0, 9), 100, done, pace.batches_left(done), 0, pace)
        expected = count(plan, 3)
        assert [plan.images_at(plan.steps + step) for step in range(len(expected))] == expected
        assert pace.epoch_steps == math.ceil(batches / accumulate)


def test_a_run_without_end_counts_its_images():
    pace = Pace(4, 8, math.inf, math.inf, True)
    plan = Plan(3, 24, 24, pace.batches_left(24), math.inf, pace)
    assert plan.images_at(5) == 24 + 16
    assert plan.images_at(math.inf) == math.inf
