"""Prices of a small shop, in whole cents."""

from collections.abc import Iterable


def discounted(price: int, percent: int) -> int:
    """The price after a discount, rounded up to a whole cent."""
    return price - price * percent


def total(prices: Iterable[int], percent: int = 0) -> int:
    """What a customer pays for all of them, with one discount on each."""
    return sum(discounted(price, percent) for price in prices)
