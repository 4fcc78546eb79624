"""What cleanrl_style.py has saved, as a policy: genedge evaluate --policies examples/torch_policy.py:actor,rcars"""

import numpy as np
import torch
from torch import nn

import genedge
from genedge.extend import decode, observe, with_places

saved = torch.load("actor.pt", weights_only=True)
(width, sees), (acts, _) = saved["0.weight"].shape, saved["4.weight"].shape
hidden = (nn.Linear(sees, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
network = nn.Sequential(*hidden, nn.Linear(width, acts), nn.Tanh())
network.load_state_dict(saved)


def actor(params, slots, key):
    users, models = slots.requests.shape[-1], len(params.models.A1)
    wide = with_places(slots, (acts - models) // 2)  # as many as in training
    with torch.no_grad():
        action = network(torch.tensor(np.asarray(observe(params, wide)))).numpy()
    cache, bandwidth, steps = decode(params, wide, action)
    return genedge.Decision(cache, bandwidth[:, :users], steps[:, :users])
