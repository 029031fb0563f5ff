"""The flow that keeps a demo book alive."""

from random import Random

from cambist.engine.commands import Side
from cambist.flow.generator import RESTING_PER_SIDE, FairPrice, Generator, Pull, Quote, Take

STEPS = 5_000


def history(seed=7):
    """Each step's fair price and what was done."""
    chance = Random(seed)
    fair, generator = FairPrice(chance, 100.0), Generator(chance)
    for _ in range(STEPS):
        price = fair.step()
        yield price, list(generator.actions(price))


def test_the_same_seed_does_the_same():
    assert list(history(3)) == list(history(3))
    assert list(history(3)) != list(history(4))


def test_the_number_of_resting_orders_is_bounded():
    resting = {}
    for _, actions in history():
        for action in actions:
            match action:
                case Quote():
                    resting[action.name] = action.side
                case Pull():
                    del resting[action.name]
        for side in Side:
            assert list(resting.values()).count(side) <= RESTING_PER_SIDE


def test_an_order_that_the_price_has_passed_is_pulled_at_once():
    resting = {}
    for fair, actions in history():
        for action in actions:
            match action:
                case Quote():
                    resting[action.name] = action
                case Pull():
                    del resting[action.name]
        assert all(
            order.price < fair if order.side == Side.BUY else order.price > fair for order in resting.values()
        )


def test_takers_cross_the_price_and_are_the_exception():
    takes = [(fair, action) for fair, actions in history() for action in actions if isinstance(action, Take)]
    assert all(take.price > fair if take.side == Side.BUY else take.price < fair for fair, take in takes)
    assert 0 < len(takes) < STEPS / 5


def test_the_price_moves_and_stays_near_its_start():
    prices = [fair for fair, _ in history()]
    assert len(set(prices)) == STEPS
    assert all(95 < price < 105 for price in prices)
