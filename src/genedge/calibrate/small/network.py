"""A small U-Net that predicts noise: some hundred thousand weights, for images of some tens of pixels."""

import math
from collections.abc import Sequence

from genedge.calibrate.extra import torch

nn = torch.nn

# The timesteps are told apart by sines of periods up to this, as in the paper on transformers.
LONGEST = 10_000


class Network(torch.nn.Module):
    """Noise of images at a timestep: halves the image once a level, looks at it whole, and doubles it again.

    Args:
        channels: of the images.
        widths: how many channels it has at each level; images are halved once less than there are.
    """

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        told = 2 * widths[0]
        self.time = nn.Sequential(nn.Linear(widths[0], told), nn.SiLU(), nn.Linear(told, told), nn.SiLU())
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.down, self.shrink, self.grow, self.up = (nn.ModuleList() for _ in range(4))
        before = widths[0]
        for i, width in enumerate(widths):
            self.down.append(Residual(before, width, told))
            if i < len(widths) - 1:
                self.shrink.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
            before = width
        self.whole = Attention(before)
        self.middle = Residual(before, before, told)
        for i, width in reversed([*enumerate(widths)]):
            self.up.append(Residual(before + width, width, told))
            if i > 0:
                self.grow.append(nn.Conv2d(width, widths[i - 1], 3, padding=1))
                before = widths[i - 1]
        self.norm = nn.GroupNorm(4, widths[0])
        self.last = nn.Conv2d(widths[0], channels, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The noise in images.

        Args:
            x: [B, C, H, W], of mean 0 and deviation 1 where there is nothing but noise.
            t: [B] timesteps, from 0.
        """
        told = self.time(waves(t, self.time[0].in_features).to(x.dtype))
        x = self.first(x)
        kept = []
        for i, down in enumerate(self.down):
            x = down(x, told)
            kept.append(x)
            if i < len(self.shrink):
                x = self.shrink[i](x)
        x = self.middle(self.whole(x), told)
        for i, up in enumerate(self.up):
            x = up(torch.cat([x, kept.pop()], dim=1), told)
            if i < len(self.grow):
                x = self.grow[i](nn.functional.interpolate(x, scale_factor=2.0))
        return self.last(nn.functional.silu(self.norm(x)))


class Residual(torch.nn.Module):
    """Two convolutions beside what they add to, told of the timestep in between."""

    def __init__(self, before: int, width: int, told: int) -> None:
        super().__init__()
        self.norm_1, self.conv_1 = nn.GroupNorm(4, before), nn.Conv2d(before, width, 3, padding=1)
        self.time = nn.Linear(told, width)
        self.norm_2, self.conv_2 = nn.GroupNorm(4, width), nn.Conv2d(width, width, 3, padding=1)
        self.beside = nn.Conv2d(before, width, 1) if before != width else nn.Identity()

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """The same image, with what it adds.

        Args:
            x: [B, before, H, W].
            told: [B, told], of the timestep.
        """
        y = self.conv_1(nn.functional.silu(self.norm_1(x))) + self.time(told)[:, :, None, None]
        return self.beside(x) + self.conv_2(nn.functional.silu(self.norm_2(y)))


class Attention(torch.nn.Module):
    """Every pixel asks all others, so that a hole knows of what lies beyond the reach of convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.asked, self.out = (
            nn.GroupNorm(4, width),
            nn.Conv2d(width, 3 * width, 1),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same image, with what it adds.

        Args:
            x: [B, width, H, W].
        """
        query, key, value = self.asked(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=2)
        seen = nn.functional.scaled_dot_product_attention(query, key, value)
        return x + self.out(seen.transpose(1, 2).reshape(x.shape))


def waves(t: torch.Tensor, width: int) -> torch.Tensor:
    """Timesteps as sines and cosines of many periods.

    Args:
        t: [B] timesteps.
        width: how many of them, even.

    Returns:
        [B, width].
    """
    half = width // 2
    rates = torch.exp(-math.log(LONGEST) * torch.arange(half, device=t.device) / half)
    angles = t[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
