"""Channels and mobilities of a reader's own: one that is fresh and one that lasts, of each kind."""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp

from genedge import Section


class Flat(NamedTuple):
    gain_db: Any

    def gain(self, position_m, u):
        return jnp.full(position_m.shape[:-1], 10 ** (self.gain_db / 10))

    def typical_db(self, area_m):
        return self.gain_db

    def bounds(self, area_m):
        gain = 10 ** (float(self.gain_db) / 10)
        return gain, gain


class OneGain(Section):
    gain_db: float = -80.0

    def arrays(self, log_distance):
        return Flat(self.gain_db)


class Level(NamedTuple):
    gain: Any
    level: Any


class Waves(NamedTuple):
    memory_s: Any

    def first(self, position_m, u):
        return Level(1e-9 * (1 + u[:, 0]), u[:, 0])

    def move(self, before, position_m, slot_s, u):
        kept = jnp.exp(-slot_s / self.memory_s)
        level = kept * before.level + (1 - kept) * u[:, 0]
        return Level(1e-9 * (1 + level), level)

    def typical_db(self, area_m):
        return -88.2

    def bounds(self, area_m):
        return 1e-9, 2e-9


class Slow(Section):
    memory_s: float = 40.0

    def arrays(self, log_distance):
        return Waves(self.memory_s)


class AtCorners(NamedTuple):
    part: Any

    def place(self, area_m, u):
        return jnp.where(u < 0.5, -1, 1) * self.part * area_m / 2


class Corners(Section):
    part: float = 0.9

    def arrays(self):
        return AtCorners(self.part)


class Turn(NamedTuple):
    position_m: Any
    angle: Any


class OnACircle(NamedTuple):
    radius_m: Any

    def first(self, area_m, u):
        return self._at(2 * math.pi * u[:, 0])

    def move(self, before, area_m, slot_s, u):
        return self._at(before.angle + slot_s / self.radius_m)

    def _at(self, angle):
        return Turn(self.radius_m * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1), angle)


class Circle(Section):
    radius_m: float = 60.0

    def arrays(self):
        return OnACircle(self.radius_m)
