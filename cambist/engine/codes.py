"""The numbers of docs/formats with their names. The engine exports its own, and a test holds both equal."""

from enum import IntEnum, IntFlag


class Kind(IntEnum):
    """What a command is."""

    PLACE = 1
    CANCEL = 2
    CANCEL_ALL = 3
    CANCEL_REPLACE = 4
    AMEND = 5
    LIST_PLACE = 6
    LIST_CANCEL = 7
    CREDIT = 10
    REVERSE = 11
    HOLD = 12
    SETTLE = 13
    RELEASE = 14
    MOVE = 15
    CORRECTION = 16
    ACCOUNT_CREATE = 20
    ACCOUNT_SET = 21
    ACCOUNT_FREEZE = 22
    COUNTDOWN = 23
    ASSET_LIST = 30
    ASSET_STATE = 31
    MARKET_LIST = 32
    MARKET_STATE = 33
    MARKET_FILTERS = 34
    MARKET_FEES = 35
    MARKET_LIMITS = 36
    SESSION_OPEN = 40
    TAKE_OVER = 42
    RULES = 43
    TIME = 44
    CONTINUE = 45


class EventKind(IntEnum):
    """What an event is."""

    RESULT = 0
    ORDER_ACCEPTED = 1
    TRADE = 2
    ORDER_CLOSED = 3
    ORDER_AMENDED = 4
    LEVEL = 5
    BALANCE = 6
    ORDER_TRIGGERED = 7
    ORDER_LIST = 8
    ACCOUNT = 10
    ASSET = 11
    MARKET = 12
    FEES = 13
    SESSION = 14
    HOLD = 15
    EPOCH = 16
    RULES = 17
    PREVENTED_MATCH = 18
    LIMITS = 19
    COUNTDOWN = 20


class Status(IntEnum):
    """What a command came to. Only OK, REPLACE_REFUSED and REPLACED_WITHOUT_CANCEL change anything."""

    OK = 0
    UNKNOWN_SESSION = 10
    STALE_NUMBER = 11
    MALFORMED = 12
    UNKNOWN_KIND = 13
    NOT_PERMITTED = 14
    UNKNOWN_ACCOUNT = 20
    ACCOUNT_FROZEN = 21
    ACCOUNT_MAY_NOT = 22
    WRONG_ACCOUNT_CLASS = 23
    UNKNOWN_ASSET = 30
    UNKNOWN_MARKET = 31
    MARKET_CLOSED = 32
    ALREADY_LISTED = 33
    BAD_LISTING = 34
    BAD_FILTERS = 35
    BAD_FEES = 36
    BAD_STATE = 37
    ASSET_SUSPENDED = 38
    UNKNOWN_ORDER = 40
    DUPLICATE_CLIENT_ID = 41
    INSUFFICIENT_BALANCE = 42
    WOULD_TAKE = 43
    AMEND_NOT_SMALLER = 44
    REPLACE_REFUSED = 45
    REPLACED_WITHOUT_CANCEL = 46
    PRICE_FILTER = 50
    LOT_SIZE = 51
    MARKET_LOT_SIZE = 52
    NOTIONAL = 53
    MAX_NUM_ORDERS = 54
    PERCENT_PRICE_BY_SIDE = 55
    MAX_POSITION = 56
    MAX_NUM_ALGO_ORDERS = 57
    MAX_NUM_ICEBERG_ORDERS = 58
    ICEBERG_PARTS = 59
    TRAILING_DELTA = 60
    MAX_NUM_ORDER_LISTS = 61
    MAX_NUM_ORDER_AMENDS = 62
    BAD_LIMITS = 63
    REFERENCE_CONFLICT = 70
    UNKNOWN_REFERENCE = 71
    ALREADY_ENDED = 72
    BAD_AMOUNT = 73
    WRONG_EPOCH = 74
    UNKNOWN_RULES = 75
    LIMIT_REACHED = 76
    WOULD_TRIGGER = 80
    NO_LAST_PRICE = 81
    BAD_LIST_PRICES = 82
    UNKNOWN_LIST = 83


class Side(IntEnum):
    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    """Odd ones have a limit price."""

    LIMIT = 1
    MARKET = 2
    LIMIT_MAKER = 3
    STOP_LOSS = 4
    STOP_LOSS_LIMIT = 5
    TAKE_PROFIT = 6
    TAKE_PROFIT_LIMIT = 7


class TimeInForce(IntEnum):
    GTC = 1
    IOC = 2
    FOK = 3


class StpMode(IntEnum):
    """Self-trade prevention; the taker's mode decides."""

    NONE = 0
    EXPIRE_TAKER = 1
    EXPIRE_MAKER = 2
    EXPIRE_BOTH = 3
    DECREMENT = 4


class ReplaceMode(IntEnum):
    """What CANCEL_REPLACE does when the order to be cancelled is not open."""

    STOP_ON_FAILURE = 0
    ALLOW_FAILURE = 1


class CloseReason(IntEnum):
    FILLED = 1
    CANCELLED = 2
    EXPIRED = 3
    EXPIRED_STP = 4
    REPLACED = 5
    LIST = 6
    UNFUNDED = 7
    EXPIRED_PRICE_RANGE = 10


class OrderState(IntEnum):
    """Where an open order is: in the book, before its trigger, or behind the working order of its list."""

    RESTING = 1
    WAITING = 2
    PENDING = 3


class Contingency(IntEnum):
    """One cancels the other; one triggers the other; one triggers a pair that cancels each other."""

    OCO = 1
    OTO = 2
    OTOCO = 3


class ListStatus(IntEnum):
    EXEC_STARTED = 1
    ALL_DONE = 2


class Role(IntEnum):
    """Which commands a session may send."""

    TRADE = 1
    WALLET = 2
    FIAT = 3
    ADMIN = 4


class AccountClass(IntEnum):
    USER = 1
    MIRROR = 2
    FEES = 3
    HOUSE = 4
    LOSS = 5
    SUSPENSE = 6
    NETWORK_FEES = 7
    WITHDRAWAL_FEES = 8


class Permission(IntFlag):
    TRADE = 1
    DEPOSIT = 2
    WITHDRAW = 4


class AssetStatus(IntEnum):
    ACTIVE = 1
    SUSPENDED = 2


class MarketStatus(IntEnum):
    TRADING = 1
    CANCEL_ONLY = 2
    HALTED = 3
    DELISTED = 4
    PRE_OPEN = 5
    POST_ONLY = 6
    PAUSED = 7


class FeeComponent(IntEnum):
    STANDARD = 0
    SPECIAL = 1
    TAX = 2


class HoldState(IntEnum):
    HELD = 1
    SETTLED = 2
    RELEASED = 3


class CountdownState(IntEnum):
    SET = 1
    STOPPED = 2
    FIRED = 3
