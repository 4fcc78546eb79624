"""Section II-D: what denoising steps buy, in quality and in time; and Eq. (14), which weighs both.

Plain arithmetic, so that NumPy's arrays stay NumPy's, in float64 for optima and certificates, and JAX's stay JAX's.
"""

from jaxtyping import Float

from genedge.cell.types import AnyArray, Curve, Models, Params


def tv_quality(models: Models, steps: Float[AnyArray, "*batch"]) -> Float[AnyArray, "*batch"]:
    """TV of the generated image, Eq. (10) and (11): A2, then falling linearly from A1 to A3, then A4; or a table.

    Args:
        models: the model of each image, fields broadcasting with `steps`.
        steps: s = ξ S, denoising steps.

    Returns:
        TV value; lower is better.
    """
    if models.curve is not None:
        return _tv_of_table(models.curve, steps)
    progress = ((steps - models.A1) / (models.A3 - models.A1)).clip(0, 1)
    return models.A2 + (models.A4 - models.A2) * progress


def _tv_of_table(curve: Curve, steps: Float[AnyArray, "*batch"]) -> Float[AnyArray, "*batch"]:
    begin, length = curve.steps[..., :-1], curve.steps[..., 1:] - curve.steps[..., :-1]
    # A model with fewer steps than others has pieces of no length, which change nothing.
    slope = (curve.tv[..., 1:] - curve.tv[..., :-1]) / (length + (length == 0).astype(length.dtype))
    walked = (steps[..., None] - begin).clip(0, length)
    return curve.tv[..., 0] + (slope * walked).sum(axis=-1)


def generation_delay(models: Models, steps: Float[AnyArray, "*batch"]) -> Float[AnyArray, "*batch"]:
    """Time to generate the image, Eq. (12): B1 s + B2 [s].

    Args:
        models: the model of each image, fields broadcasting with `steps`.
        steps: s = ξ S, denoising steps.
    """
    return models.B1 * steps + models.B2


def weighed(
    params: Params, delay_s: Float[AnyArray, "*batch"], tv: Float[AnyArray, "*batch"]
) -> Float[AnyArray, "*batch"]:
    """The utility, Eq. (14); lower is better.

    Args:
        params: the scenario.
        delay_s: a delay, or a part of one [s].
        tv: the image's TV.
    """
    return params.delay_weight * delay_s + params.tv_weight * tv


def image_cost(params: Params, models: Models, steps: Float[AnyArray, "*batch"]) -> Float[AnyArray, "*batch"]:
    """The part of the cost that the base station's steps decide: the time to make the image, its TV, and energy.

    Args:
        params: the scenario.
        models: the model of each image, fields broadcasting with `steps`.
        steps: s = ξ S, denoising steps.
    """
    cost = weighed(params, generation_delay(models, steps), tv_quality(models, steps))
    energy = _energy(params)
    return cost if energy is None else cost + energy * steps


def image_cost_in_cloud(params: Params, models: Models) -> Float[AnyArray, "*batch"]:
    """The same of an image that the cloud makes, with its A3 steps, whose energy is not the base station's.

    Args:
        params: the scenario.
        models: the model of each image.
    """
    return weighed(params, generation_delay(models, models.A3), tv_quality(models, models.A3))


def cost_of_a_step(params: Params, models: Models) -> Float[AnyArray, "*batch"]:
    """What a step costs at the base station that improves nothing: its time, and its energy.

    Args:
        params: the scenario.
        models: of the images.
    """
    energy = _energy(params)
    time = params.delay_weight * models.B1
    return time if energy is None else time + energy


def _energy(params: Params) -> AnyArray | None:
    return None if params.costs is None else params.costs.energy


def saved_by_a_step(params: Params, models: Models) -> Float[AnyArray, "*batch"]:
    """By how much a step between A1 and A3 lowers the cost, where no model has a table.

    Args:
        params: the scenario.
        models: of the images.
    """
    return params.tv_weight * (models.A2 - models.A4) / (models.A3 - models.A1) - cost_of_a_step(params, models)
