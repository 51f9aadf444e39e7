"""Which rows of which batch a worker makes next."""

from itertools import islice

from instdisc.data.batches.orders import Order, Orders


def batches(epoch, first):
    """Three batches of four images and one of a single image."""
    keys = [(epoch, index) for index in range(13)]
    return (keys[start : start + 4] for start in range(first * 4, 13, 4))


def orders(goes_on=True, num_slots=2):
    made = Orders(batches, num_pieces=2, size=3, num_slots=num_slots, goes_on=goes_on)
    made.begin(5, 2)
    return made


def test_each_batch_has_as_many_pieces_and_epochs_follow():
    made = list(islice(orders(num_slots=9), 6))
    assert [(order.number, order.slot, order.row, len(order.keys)) for order in made] == [
        (0, 0, 0, 3),
        (0, 0, 3, 1),
        (1, 1, 0, 1),
        (1, 1, 1, 0),
        (2, 2, 0, 3),
        (2, 2, 3, 1),
    ]
    assert made[0].keys == [(5, 8), (5, 9), (5, 10)]
    assert made[4].keys == [(6, 0), (6, 1), (6, 2)]


def test_they_end_with_the_epoch_if_none_follows():
    assert len(list(orders(goes_on=False, num_slots=9))) == 4


def test_no_slot_is_used_before_it_is_released():
    made = orders()
    running = iter(made)
    assert [next(running).slot for _ in range(4)] == [0, 0, 1, 1]
    assert next(running) == next(running) == Order(-1, None)  # both slots are in use
    made.num_released = 1
    assert [next(running).slot for _ in range(3)] == [0, 0, None]
    made.num_released = 2
    assert next(running)[:2] == (3, 1)
