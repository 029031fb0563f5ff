"""So large an exchange that its engine looks at a batch many commands ahead: what that finds never shows."""

from random import Random

from cambist.bench.records import Packer, batch
from cambist.engine.codes import TimeInForce
from cambist.flow.venue import TIME_NS, Listing, Venue

MARKETS, ACCOUNTS = 20, 3_500  # with 21 assets each: more than 65,536 balances
COMMANDS = 4_000


def commands_for(venue: Venue) -> list[bytes]:
    """Orders that trade and rest; cancels and moves of open, closed and unheard-of orders; strangers."""
    random, packer, commands = Random(7), Packer(venue.session), []
    for _ in range(COMMANDS):
        account = random.choice([*venue.accounts[:30], venue.accounts[-1] + 1])
        market = random.choice([*venue.markets, 0, MARKETS + 1])
        side, price, order = random.randrange(2), random.randrange(95, 106), random.randrange(COMMANDS)
        commands.append(
            random.choice(
                [
                    packer.place(
                        account, market, side, random.choice([*TimeInForce]), price, random.randrange(1, 9)
                    ),
                    packer.place(account, market, side, TimeInForce.GTC, price, random.randrange(1, 9)),
                    packer.cancel(account, market, order),
                    packer.replace(account, market, side, TimeInForce.GTC, price, 0, order),
                ]
            )
        )
    return commands


def run(commands_at_once: int) -> tuple[int, int]:
    """The event hash, and how many orders stay open."""
    venue = Venue(Listing(), ACCOUNTS, markets=MARKETS)
    commands = commands_for(venue)
    for at in range(0, COMMANDS, commands_at_once):
        chunk = commands[at : at + commands_at_once]
        venue.engine.apply(batch(venue.engine.sequence + 1, TIME_NS, 1, chunk))
    return venue.engine.event_hash, venue.engine.open_order_count


def test_batches_of_a_thousand_and_commands_one_by_one_give_the_same_events() -> None:
    event_hash, open_orders = run(1_000)
    assert open_orders > 100
    assert run(1) == (event_hash, open_orders)
