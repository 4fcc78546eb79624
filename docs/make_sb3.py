"""Stable-Baselines3's DDPG beside the paper's agent on the same slots: python docs/make_sb3.py

Needs `pip install "genedge[bench]"`. Twice: with that library's own settings, which take twelve times as long
and so get two runs, and with those of `ddpg` here, as far as it can have them: its random actions are uniform,
its actor begins with its critic and is not fined, and its critic hears of places without a user. As many slots
are trained, and as of ours the actor that is served is the one that was best on the eight evaluation episodes
of the run. Runs live in the folder `runs/sb3`.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from trainings import MEASURED, Measured, decided_by, mean_cost, optimum, over_catalogues, unlike

from genedge.cell.feasible import action_size, decode
from genedge.cell.service import total_utility
from genedge.engines import on_cores
from genedge.env.observation import observation_size, observe
from genedge.files import whole_file
from genedge.learn.agents import load_agent
from genedge.precision import in_single
from genedge.scenario import load_scenario

RUNS = Path("runs/sb3")
SEEDS, USERS = (0,), (10, 18)
EVALUATED_EVERY = 500
# Rewards are hundreds; ours are scaled too.
REWARD_SCALE = 0.01
OWN, SAME = "SB3's DDPG, its own settings", "SB3's DDPG, the settings of `ddpg`"
CATALOGUES: dict[tuple[str, int], tuple[int, ...]] = {
    **{(SAME, users): (6, 7, 8, 9, 10) for users in USERS},
    (OWN, 10): (6, 7),
}


class Job(NamedTuple):
    """One run.

    Attributes:
        row: which settings.
        users: number of users.
        catalogue: the scenario's seed.
        seed: of training.
    """

    row: str
    users: int
    catalogue: int
    seed: int

    @property
    def folder(self) -> Path:
        """Where the run lives."""
        kind = "own" if self.row == OWN else "same"
        return RUNS / f"{kind}_{self.users}-users" / f"catalogue-{self.catalogue}_seed-{self.seed}"

    @property
    def key(self) -> str:
        """A name for it."""
        return str(self.folder)

    def run(self, folder: Path) -> Measured:
        """Trains and measures."""
        import torch

        import genedge.gym

        torch.set_num_threads(1)
        scenario = load_scenario("paper", [f"seed={self.catalogue}"])
        settings = scenario.hyperparameters("ddpg")
        slots = settings.episodes * scenario.settings.cell.slots_per_episode
        model = _model(self, scenario, settings, slots)
        best, evaluated = _Best(model, scenario, self.users, self.seed), []
        while model.num_timesteps < slots:
            model.learn(EVALUATED_EVERY, reset_num_timesteps=not evaluated)
            evaluated.append(best.evaluate())
        # A model is loaded with an optimiser of one group, and not with what ours needs to leave biases alone.
        model.critic.optimizer = torch.optim.Adam(model.critic.parameters())
        least = optimum(self.catalogue, self.users, ())
        gaps, caches = [], 0
        for which in ("last", "best"):
            if which == "best":
                best.restore()
            folder.mkdir(parents=True, exist_ok=True)
            genedge.gym.save_sb3(model, folder / f"{which}.zip")
            decision = decided_by(f"sb3:{folder / which}.zip", scenario, self.users)
            gaps.append(mean_cost(scenario, self.users, decision) / least - 1)
            caches = unlike(decision)
        costs = np.array(evaluated)
        dip = float((costs - np.minimum.accumulate(costs)).max()) / least
        measured = Measured(gap=gaps[1], last=gaps[0], dip=dip, caches=caches)
        with whole_file(folder / MEASURED) as file:
            file.write(json.dumps(measured._asdict()).encode())
        return measured


class _Best:
    """The actor of a model that was best on the episodes that our runs are evaluated on."""

    def __init__(self, model: Any, scenario: Any, users: int, seed: int) -> None:
        agent = load_agent("ddpg", scenario)
        slots = agent.evaluation_slots(agent.keys(seed)[1], users)
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), slots)
        params = in_single(scenario.params)
        self.model, self.least, self.weights = model, np.inf, None
        self.seen = np.asarray(jax.jit(observe)(params, flat))
        self.cost = jax.jit(lambda action: total_utility(params, flat, decode(params, flat, action)).mean())

    def evaluate(self) -> float:
        """The mean cost of a slot; the weights are kept if it is the least so far."""
        cost = float(self.cost(self.model.predict(self.seen, deterministic=True)[0]))
        if cost < self.least:
            self.least = cost
            self.weights = {k: v.clone() for k, v in self.model.actor.state_dict().items()}
        return cost

    def restore(self) -> None:
        """Gives the model its best actor."""
        self.model.actor.load_state_dict(self.weights)


def _model(job: Job, scenario: Any, settings: Any, slots: int) -> Any:
    import gymnasium
    import torch
    from stable_baselines3 import DDPG

    env = gymnasium.make(
        "genedge/Cell-v0",
        scenario="paper",
        overrides={"seed": job.catalogue},
        users=job.users,
        reward_scale=REWARD_SCALE,
    )
    if job.row == OWN:
        return DDPG("MlpPolicy", env, seed=job.seed, device="cpu")
    (actions,) = env.action_space.shape
    model = DDPG(
        "MlpPolicy",
        env,
        seed=job.seed,
        device="cpu",
        gamma=settings.discount,
        tau=settings.target_rate,
        batch_size=settings.batch,
        buffer_size=settings.replay_size,
        learning_starts=int(settings.random_slots(slots)),
        policy_kwargs={"net_arch": list(settings.hidden_layers)},
        replay_buffer_class=_permuting(scenario, job.users) if settings.permute_users else None,
    )
    model.action_noise = _falling(settings, actions, lambda: model.num_timesteps / slots)
    # It has one learning rate for both, and no penalty on the weights: Adam's L2 term is its gradient.
    weights = [p for name, p in model.critic.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in model.critic.named_parameters() if name.endswith("bias")]
    model.critic.optimizer = torch.optim.Adam(
        [{"params": weights, "weight_decay": 2 * settings.weight_penalty}, {"params": biases}],
        lr=settings.critic_learning_rate,
    )
    model.actor.optimizer = torch.optim.Adam(model.actor.parameters(), lr=settings.actor_learning_rate)
    # Its training would set both rates to the one that it has.
    model._update_learning_rate = lambda optimisers: None
    return model


def _falling(settings: Any, actions: int, progress: Any) -> Any:
    """Exploration noise whose spread falls linearly over the run."""
    from stable_baselines3.common.noise import NormalActionNoise

    class Falling(NormalActionNoise):
        def __call__(self) -> np.ndarray:
            spread = settings.noise_first + (settings.noise_last - settings.noise_first) * progress()
            return np.random.normal(0, spread, actions).astype(np.float32)

    return Falling(np.zeros(actions), np.full(actions, settings.noise_first))


def _permuting(scenario: Any, users: int) -> Any:
    """A replay buffer in whose batches the users change places."""
    import torch
    from stable_baselines3.common.buffers import ReplayBuffer

    models, places = len(scenario.models), scenario.settings.cell.places
    seen, done = np.arange(observation_size(models, places)), np.arange(action_size(models, places))
    # By place, as `observe` and `decode` order them: four numbers and the request; bandwidth and steps.
    of_seen = np.concatenate(
        [seen[1 : 1 + 4 * places].reshape(4, places).T, seen[1 + 4 * places :].reshape(places, models)], 1
    )
    of_done = done[models:].reshape(2, places).T

    class Permuting(ReplayBuffer):
        def sample(self, batch_size: int, env: Any = None) -> Any:
            batch = super().sample(batch_size, env)
            order = np.argsort(np.random.rand(batch_size, users), axis=1)
            order = np.concatenate([order, np.tile(np.arange(users, places), (batch_size, 1))], axis=1)

            def moved(rows: Any, of_places: np.ndarray) -> Any:
                columns = np.tile(np.arange(rows.shape[1]), (batch_size, 1))
                columns[:, of_places.ravel()] = of_places[order].reshape(batch_size, -1)
                return torch.take_along_dim(rows, torch.as_tensor(columns), dim=1)

            return batch._replace(
                observations=moved(batch.observations, of_seen),
                next_observations=moved(batch.next_observations, of_seen),
                actions=moved(batch.actions, of_done),
            )

    return Permuting


def main() -> None:
    """Trains, measures, and prints a table in Markdown."""
    every = [
        Job(row, users, catalogue, seed)
        for (row, users), catalogues in CATALOGUES.items()
        for catalogue in catalogues
        for seed in SEEDS
    ]
    found = {
        job: Measured(**json.loads((job.folder / MEASURED).read_text()))
        for job in every
        if (job.folder / MEASURED).exists()
    }
    for job, measured in on_cores({job: job.folder for job in every if job not in found}):
        found[job] = measured
        print(f"[{len(found)}/{len(every)}] {job.folder}: {measured}", file=sys.stderr, flush=True)
    for (row, users), catalogues in CATALOGUES.items():
        gaps = [[found[Job(row, users, c, s)].gap for s in SEEDS] for c in catalogues]
        print(f"{row}, {users} users, catalogues {catalogues}: {over_catalogues(gaps)}")
        print("  one by one: " + ", ".join(f"{100 * gap:.2f}" for of_one in gaps for gap in of_one))


if __name__ == "__main__":
    main()
