import time


def test_try(place, tmp_path):
    from edgevision.compress import search

    t = time.time()
    r = search(
        place.model,
        place.data,
        tmp_path / "out",
        to=("tflite",),
        max_bytes=12000,
        trials=9,
        epochs=2,
        min_duration_s=0.05,
        progress=lambda *a: print(a, round(time.time() - t, 1)),
    )
    for p in r.front:
        print(p.trial, p.recipe.name, p.row.bytes, p.row.drop_points, p.row.latency_ms, p.violations)
    print(r.best, r.nearest, r.counts)
