"""A viewer's frames follow its link: simulated links with a rate and a latency."""

from hypothesis import strategies as st
from laws import law

from wonderzoom.runtime.pacing import LADDER, START, Pacer, Rung

SIZE = 60_000.0  # bytes of a frame of the first rung


def play(
    rate: float, seconds: float, latency: float = 0.02, draw_s: float = 0.005
) -> tuple[Pacer, list[int], int]:
    """Frames over a link of so many bytes a second, two in flight; the rungs taken, and the frames that arrived."""
    pacer = Pacer(rtt=latency)
    rungs, frames = run(pacer, rate, seconds, draw_s)
    return pacer, [LADDER.index(rung) for rung in rungs], frames


def run(pacer: Pacer, rate: float, seconds: float, draw_s: float = 0.005) -> tuple[list[Rung], int]:
    now, link_free, rungs = 0.0, 0.0, list[Rung]()
    arrivals: list[tuple[float, int]] = []
    frame, next_at = 0, 0.0
    while now < seconds:
        if arrivals and (arrivals[0][0] <= next_at or len(arrivals) == 2):
            now, number = arrivals.pop(0)
            pacer.acknowledged(number, now)
            continue
        now = max(now, next_at)
        rung = pacer.choose(now)
        rungs.append(rung)
        size = round(SIZE * rung.weight / LADDER[0].weight / (8 if rung.codec == "h264" else 1))
        pacer.drawn(draw_s, size, rung)
        pacer.sent(frame, size, now)
        link_free = max(link_free, now) + size / rate
        arrivals.append((link_free + (pacer.rtt or 0.0), frame))
        frame, next_at = frame + 1, now + pacer.interval()
    return rungs, frame


def test_a_fast_link_gets_the_best_rung_at_full_rate() -> None:
    pacer, rungs, frames = play(rate=50e6, seconds=10.0)
    assert rungs[0] == START and rungs[-1] == 0
    assert frames >= 0.95 * 10.0 * pacer.max_fps


def test_a_slow_link_gets_smaller_frames_and_then_fewer() -> None:
    _, rungs, frames = play(rate=0.4e6, seconds=10.0)
    assert rungs[-1] > 2 and frames > 100
    _, rungs, frames = play(rate=0.02e6, seconds=20.0)
    assert rungs[-1] == len(LADDER) - 1 and 20 < frames < 300


@law(st.floats(0.01e6, 30e6), st.floats(0.0, 0.2), examples=30)
def test_the_rate_is_known_within_a_third_and_not_overrun(rate: float, latency: float) -> None:
    """From acknowledgements alone, whatever the latency: frames never queue up on the link."""
    pacer, rungs, _ = play(rate, seconds=30.0, latency=latency)
    if pacer.interval() <= 1.01 / pacer.max_fps and rungs[-1] == 0:
        return  # the link is faster than anything that is asked of it
    assert pacer.rate is not None and 0.66 * rate <= pacer.rate <= 1.5 * rate
    assert LADDER[rungs[-1]].weight / LADDER[0].weight * SIZE / pacer.interval() <= 1.35 * rate


@law(st.floats(0.01e6, 30e6), st.floats(0.0, 0.2), examples=30)
def test_video_is_for_links_that_are_too_slow_for_pictures(rate: float, latency: float) -> None:
    """With the same link it moves more, or larger, and who can't show it, or does not want it, gets none."""
    fills = SIZE * 30.0 / (0.8 * rate)
    pacers = [Pacer(rtt=latency, wish=wish) for wish in ("jpeg", "auto", "h264")]
    plain, either, video = [run(pacer, rate, seconds=20.0) for pacer in pacers]
    assert {rung.codec for rung in plain[0]} == {"jpeg"} and {rung.codec for rung in video[0]} == {"h264"}
    taken = [rung.codec for rung in either[0]]
    if fills > 1.5:
        assert taken[-1] == "h264"
        assert either[0][-1].scale >= plain[0][-1].scale and either[1] >= 0.95 * plain[1]
    elif fills < 0.3:
        assert taken[-1] == "jpeg"
    assert sum(a != b for a, b in zip(taken, taken[1:], strict=False)) <= 3


def test_quality_does_not_flicker() -> None:
    _, rungs, _ = play(rate=0.8e6, seconds=30.0)
    settled = rungs[len(rungs) // 3 :]
    changes = sum(a != b for a, b in zip(settled, settled[1:], strict=False))
    assert changes <= 4


def test_a_slow_renderer_is_asked_for_less() -> None:
    _, rungs, _ = play(rate=50e6, seconds=10.0, draw_s=0.15)
    assert rungs[-1] > 0


def test_a_small_share_of_the_renderer_means_a_smaller_picture() -> None:
    pacer, _, _ = play(rate=50e6, seconds=5.0, draw_s=0.02)
    assert LADDER.index(pacer.choose(5.0, share=1.0)) == 0
    assert LADDER.index(pacer.choose(5.1, share=0.15)) > 1


def test_an_acknowledgement_of_nothing_changes_nothing() -> None:
    pacer = Pacer()
    pacer.sent(1, 1000, 0.0)
    assert pacer.acknowledged(2, 1.0) is None and pacer.in_flight == 1 and pacer.rate is None
    assert pacer.acknowledged(1, 1.5) == 1.5 and pacer.oldest() is None
    assert pacer.acknowledged(1, 1.6) is None


@law(st.integers(1, 100), st.floats(0.01e6, 30e6), st.floats(0.0, 0.2), st.floats(1e-3, 0.3), examples=30)
def test_no_frame_is_better_than_its_viewer_wishes(
    best: int, rate: float, latency: float, draw_s: float
) -> None:
    """On any link and with any renderer; the ladder is as high as ever, and frames as many as the link takes."""
    pacer = Pacer(rtt=latency, best_quality=best)
    rungs, _ = run(pacer, rate, 5.0, draw_s)
    assert all(rung.quality <= best for rung in rungs) and pacer.current.quality <= best
    steps = [Rung(rung.scale, min(rung.quality, best)) for rung in LADDER]
    assert set(rungs) <= set(steps)


@law(st.integers(1, 100), examples=10)
def test_a_fast_link_gets_what_is_wished_in_full_size(best: int) -> None:
    rungs, _ = run(Pacer(best_quality=best), 50e6, 10.0)
    assert rungs[-1] == Rung(1.0, min(best, LADDER[0].quality))


def test_a_wish_for_less_counts_from_the_next_frame() -> None:
    pacer, _, _ = play(rate=50e6, seconds=5.0)
    assert pacer.choose(5.0) == LADDER[0]
    pacer.best_quality = 30
    assert pacer.choose(5.01) == pacer.current == Rung(1.0, 30)
    pacer.best_quality = 100
    assert pacer.choose(5.02) == LADDER[0]


def test_a_viewer_who_wishes_less_needs_less_of_a_link() -> None:
    """So little of it that frames stay larger where the link is slow."""
    rate = 0.8e6
    wished, _ = run(Pacer(rtt=0.02, best_quality=20), rate, 10.0)
    best, _ = run(Pacer(rtt=0.02), rate, 10.0)
    assert wished[-1].scale > best[-1].scale


def test_a_far_link_is_no_slow_one() -> None:
    """Half around the world, at any rate."""
    near, far = Pacer(), Pacer()
    far.pinged(0.2)
    for pacer, way in ((near, 0.0), (far, 0.2)):
        for frame in range(20):
            pacer.sent(frame, 20_000, frame)
            pacer.acknowledged(frame, frame + 0.01 + way)
    assert near.rate is not None and far.rate is not None
    assert abs(far.rate / near.rate - 1.0) < 1e-6


def test_a_shorter_way_counts_at_once_and_a_longer_one_after_a_while() -> None:
    pacer = Pacer()
    pacer.pinged(0.3)
    pacer.pinged(0.05)
    assert pacer.rtt == 0.05
    pacer.pinged(0.5)  # behind two frames
    assert pacer.rtt is not None and pacer.rtt < 0.06
    for _ in range(40):
        pacer.pinged(0.5)
    assert pacer.rtt == 0.5
