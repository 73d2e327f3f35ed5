from wonderzoom.generation.models.seeds import derived_seed


def test_a_seed_is_the_same_everywhere() -> None:
    assert derived_seed(3, "edit", 0) == 3692066655736246495


def test_stages_tries_and_tiles_draw_differently() -> None:
    asked = [
        derived_seed(seed, stage, *parts)
        for seed in (-1, 0, 1, 2**64 - 2, 2**70 + 5)
        for stage in ("upscale", "edit")
        for parts in ((), (0,), (1,), (0, 0), (0, 1))
    ]
    assert len(set(asked)) == len(asked) and all(0 <= seed < 2**63 for seed in asked)
