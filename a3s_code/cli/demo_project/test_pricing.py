import unittest

from pricing import discounted, total


class Prices(unittest.TestCase):
    def test_ten_percent_off(self) -> None:
        assert discounted(1000, 10) == 900

    def test_a_broken_cent_is_not_given_away(self) -> None:
        assert discounted(99, 50) == 50

    def test_the_total_without_a_discount(self) -> None:
        assert total([250, 199]) == 449


if __name__ == "__main__":
    unittest.main()
