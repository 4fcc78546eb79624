"""DDPG in one file, in the manner of CleanRL, on the vector environment: python examples/cleanrl_style.py

Needs `pip install "genedge[gym]" torch`. Prints the mean reward of a slot as it learns; the package's RCARS earns
about -470, the optimum about -323. The actor that it saves is evaluated beside the others by torch_policy.py:
genedge evaluate --policies examples/torch_policy.py:actor,rcars
"""

import argparse
from dataclasses import dataclass, fields

import gymnasium
import numpy as np
import torch
from torch import nn

import genedge.gym  # noqa: F401, registers genedge/Cell-v0


@dataclass
class Args:
    """Settings; each is an option of the command line."""

    seed: int = 1
    total_steps: int = 60_000  # slots, over all cells
    num_envs: int = 16
    learning_rate: float = 1e-3
    buffer_size: int = 60_000
    batch_size: int = 256
    updates_per_step: int = 2  # for each step of all cells
    learning_starts: int = 1_000  # slots
    gamma: float = 0.0  # no action changes what comes next, so looking ahead only adds noise
    tau: float = 0.005
    noise: float = 0.3
    reward_scale: float = 0.01
    out: str = "actor.pt"  # where to save the actor's weights


def mlp(inputs: int, outputs: int, *last: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, outputs), *last
    )


def main(args: Args) -> None:
    rng = np.random.default_rng(args.seed)
    torch.manual_seed(args.seed)
    envs = gymnasium.make_vec(
        "genedge/Cell-v0", num_envs=args.num_envs, scenario="paper", reward_scale=args.reward_scale
    )
    (sees,), (acts,) = envs.single_observation_space.shape, envs.single_action_space.shape
    actor, critic = mlp(sees, acts, nn.Tanh()), mlp(sees + acts, 1)
    actor_target, critic_target = mlp(sees, acts, nn.Tanh()), mlp(sees + acts, 1)
    actor_target.load_state_dict(actor.state_dict())
    critic_target.load_state_dict(critic.state_dict())
    actor_adam = torch.optim.Adam(actor.parameters(), lr=args.learning_rate)
    critic_adam = torch.optim.Adam(critic.parameters(), lr=args.learning_rate)

    observations = torch.zeros(args.buffer_size, sees)
    followings = torch.zeros(args.buffer_size, sees)
    actions = torch.zeros(args.buffer_size, acts)
    rewards = torch.zeros(args.buffer_size)
    seen = written = 0
    observation, _ = envs.reset(seed=args.seed)
    over = False
    earned = []
    while written < args.total_steps:
        if written < args.learning_starts:
            action = rng.uniform(-1, 1, (args.num_envs, acts)).astype(np.float32)
        else:
            with torch.no_grad():
                action = actor(torch.from_numpy(observation)).numpy()
            action = np.clip(action + rng.normal(0, args.noise, action.shape), -1, 1).astype(np.float32)
        following, reward, _, truncated, _ = envs.step(action)
        # The step after the last slot only begins the next episode (AutoresetMode.NEXT_STEP): nothing was decided.
        if not over:
            at = torch.arange(written, written + args.num_envs) % args.buffer_size
            observations[at], followings[at] = torch.from_numpy(observation), torch.from_numpy(following)
            actions[at], rewards[at] = (
                torch.from_numpy(action),
                torch.from_numpy(reward).float(),
            )
            written += args.num_envs
            earned.append(reward.mean() / args.reward_scale)
        observation, over = following, truncated.all()
        if over and written - seen >= args.total_steps / 10:
            print(f"{written} slots: mean reward {np.mean(earned):.1f}", flush=True)
            seen, earned = written, []

        if written < args.learning_starts:
            continue
        for _ in range(args.updates_per_step):
            batch = torch.randint(0, min(written, args.buffer_size), (args.batch_size,))
            with torch.no_grad():
                # A time limit terminates nothing, so there is no mask: what follows always counts.
                ahead = torch.cat([followings[batch], actor_target(followings[batch])], dim=1)
                target = rewards[batch] + args.gamma * critic_target(ahead)[:, 0]
            value = critic(torch.cat([observations[batch], actions[batch]], dim=1))[:, 0]
            critic_loss = nn.functional.mse_loss(value, target)
            critic_adam.zero_grad()
            critic_loss.backward()
            critic_adam.step()
            decided = torch.cat([observations[batch], actor(observations[batch])], dim=1)
            actor_loss = -critic(decided).mean()
            actor_adam.zero_grad()
            actor_loss.backward()
            actor_adam.step()
            with torch.no_grad():
                for online, slow in ((actor, actor_target), (critic, critic_target)):
                    for new, old in zip(online.parameters(), slow.parameters(), strict=True):
                        old.lerp_(new, args.tau)
    envs.close()
    torch.save(actor.state_dict(), args.out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Args):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, default=field.default)
    main(Args(**vars(parser.parse_args())))
