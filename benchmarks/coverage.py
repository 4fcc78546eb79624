"""How often intervals hold the true mean, ours beside others on the same samples: python benchmarks/coverage.py

Prints the tables of docs/statistics.md: of 20,000 samples, the share whose 95 % interval holds the mean; and how
wide the intervals are, on average, beside those of Student's t.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

from genedge import interval

SAMPLES = 20_000
COUNTS = (3, 4, 5, 10, 20, 50)
DRAWS: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], float]] = {
    "normal": (lambda rng, n: rng.normal(0, 1, (SAMPLES, n)), 0.0),
    "exponential": (lambda rng, n: rng.exponential(1, (SAMPLES, n)), 1.0),
    "lognormal, σ = 0.5": (lambda rng, n: rng.lognormal(0, 0.5, (SAMPLES, n)), float(np.exp(0.125))),
    "lognormal, σ = 1": (lambda rng, n: rng.lognormal(0, 1, (SAMPLES, n)), float(np.exp(0.5))),
}


def ours(x: np.ndarray) -> np.ndarray:
    """The package's intervals, shape (samples, 2)."""
    return np.array([interval(sample.tolist())[1:] for sample in x])


def student(x: np.ndarray) -> np.ndarray:
    """Student's t."""
    n = x.shape[1]
    reach = stats.t.ppf(0.975, n - 1) * x.std(axis=1, ddof=1) / np.sqrt(n)
    return np.stack([x.mean(axis=1) - reach, x.mean(axis=1) + reach], axis=1)


def percentile(x: np.ndarray) -> np.ndarray:
    """The percentile bootstrap, 999 resamples."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, x.shape[1], (999, x.shape[1]))
    return np.stack([np.quantile(sample[drawn].mean(axis=1), [0.025, 0.975]) for sample in x])


METHODS = {"genedge.interval": ours, "Student's t": student, "percentile bootstrap": percentile}


def main() -> None:
    """Prints the tables."""
    print("Share of samples whose 95 % interval holds the mean; in brackets, width beside Student's t")
    for name, (draw, truth) in DRAWS.items():
        print(f"\n| {name} | " + " | ".join(f"{n} values" for n in COUNTS) + " |\n" + "|---" * 7 + "|")
        samples = {n: draw(np.random.default_rng(n), n) for n in COUNTS}
        widths = {n: np.ptp(student(x), axis=1).mean() for n, x in samples.items()}
        for method, of in METHODS.items():
            cells = []
            for n, x in samples.items():
                low, high = of(x).T
                cells.append(
                    f"{((low <= truth) & (truth <= high)).mean():.1%} ({(high - low).mean() / widths[n]:.2f})"
                )
            print(f"| {method} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
