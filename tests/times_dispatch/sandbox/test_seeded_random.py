from times_dispatch.sandbox.seeded_random import SeededRandom, pick


def test_seed_name_and_purpose_decide_the_numbers() -> None:
    draws = SeededRandom(1).draws("name", purpose=b"arrival")
    assert SeededRandom(1).draws("name", purpose=b"arrival") == draws
    assert all(0 <= draw < 1 for draw in draws)
    assert len(set(draws)) == 16
    assert SeededRandom(2).draws("name", purpose=b"arrival") != draws
    assert SeededRandom(1).draws("name2", purpose=b"arrival") != draws
    assert SeededRandom(1).draws("name", purpose=b"reports") != draws


def test_picking_goes_by_weight_up_to_the_last_draw() -> None:
    weights = {"a": 1, "b": 3}
    assert [pick(weights, draw) for draw in (0.0, 0.2499, 0.25, 1 - 2**-32)] == ["a", "a", "b", "b"]
