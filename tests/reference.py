"""The cost of a slot, written a second time: plain loops over users, from the paper's equations alone.

It reads what a foreign program would read, the dictionaries of `scenario show --json`, of `slots` and of
`decide`, and shares no code with the package.
"""

import math


def rate(b, W, p, h, N0, noise_bandwidth):
    """Eq. (2) and (5) [bit/s]."""
    noise_w = N0 * (b * W if noise_bandwidth == "own" else W)
    return b * W * math.log1p(p * h / noise_w) / math.log(2)


def tv_quality(s, model):
    """Eq. (10) and (11)."""
    A1, A2, A3, A4 = (model[key] for key in ("A1", "A2", "A3", "A4"))
    if s <= A1:
        return A2
    if s >= A3:
        return A4
    return A2 + (A4 - A2) * (s - A1) / (A3 - A1)


def path_loss_db(scenario, distance_m):
    """Eq. (3) [dB]."""
    loss = scenario["path_loss"]
    distance_km = max(distance_m, loss["least_distance_m"]) / 1000
    return loss["db_at_1_km"] + loss["db_per_decade"] * math.log10(distance_km)


def zipf(skew, models):
    """Eq. (1), a list of probabilities."""
    weights = [m ** (-skew) for m in range(1, models + 1)]
    return [w / sum(weights) for w in weights]


def user_costs(scenario, slot, decision):
    """Eq. (4), (6), (10) to (14): a list of the parts of every user's cost, zero for inactive ones."""
    p = scenario["parameters"]
    noise = scenario["noise_bandwidth"]
    weights = (p["alpha"], 1 - p["alpha"])
    delay_weight, tv_weight = weights if scenario["alpha_weighs"] == "delay" else weights[::-1]

    users = []
    for n, m in enumerate(slot["requests"]):
        if not slot["active"][n]:
            parts = "uplink_s downlink_s backhaul_s generation_s tv hit delay_s utility"
            users.append(dict.fromkeys(parts.split(), 0.0))
            if slot.get("outage", [False] * (n + 1))[n]:
                delay_s = scenario["outage"]["delay_s"]
                users[-1] |= {"delay_s": delay_s, "utility": delay_weight * delay_s}
            continue
        model = scenario["models"][m]
        d_in, d_out, h = slot["input_bits"][n], model["output_bits"], slot["channel_gain"][n]
        b, hit = decision["bandwidth"][n], bool(decision["cache"][m])

        uplink_s = d_in / rate(b, p["W_up"], p["p_n"], h, p["N0"], noise)
        downlink_s = d_out / rate(b, p["W_dw"], p["p_BS"], h, p["N0"], noise)
        if hit:
            s = decision["steps"][n] * p["S"]
            backhaul_s = 0.0
            generation_s = model["B1"] * s + model["B2"]
            tv = tv_quality(s, model)
        else:
            backhaul_s = d_in / p["R_bc"] + d_out / p["R_cb"]
            generation_s = model["B1"] * model["A3"] + model["B2"]
            tv = model["A4"]
        delay_s = uplink_s + downlink_s + backhaul_s + generation_s
        users.append(
            {
                "uplink_s": uplink_s,
                "downlink_s": downlink_s,
                "backhaul_s": backhaul_s,
                "generation_s": generation_s,
                "tv": tv,
                "hit": float(hit),
                "delay_s": delay_s,
                "utility": delay_weight * delay_s + tv_weight * tv,
            }
        )
    return users


def broken_constraints(scenario, slot, decision, tolerance=1e-6):
    """Which of (11a) to (11f), the rule on idle places and the quality floor a decision breaks, by number."""
    p, models = scenario["parameters"], scenario["models"]
    broken = set()
    if any(rho not in (0, 1) for rho in decision["cache"]):
        broken.add("11a")
    if not all(0 <= b <= 1 + tolerance for b in decision["bandwidth"]):
        broken.add("11b")
    if not all(0 <= xi <= 1 + tolerance for xi in decision["steps"]):
        broken.add("11c")
    stored = sum(model["storage_gb"] for model, rho in zip(models, decision["cache"], strict=True) if rho)
    if stored > p["C"] * (1 + tolerance):
        broken.add("11d")
    if sum(decision["bandwidth"]) > 1 + tolerance:
        broken.add("11e")
    if sum(decision["steps"]) > 1 + tolerance:
        broken.add("11f")

    floor = scenario["quality_floor"] or {"least_steps": 0}
    for n, m in enumerate(slot["requests"]):
        b, s = decision["bandwidth"][n], max(decision["steps"][n] * p["S"], 0)  # Below 0 is (11c)'s affair.
        if not slot["active"][n]:
            if b != 0 or decision["steps"][n] != 0:
                broken.add("idle")
            continue
        if b <= 0:
            broken.add("starved")
        if not decision["cache"][m]:
            continue
        if "least_steps" in floor:
            if s < floor["least_steps"] * (1 - tolerance):
                broken.add("floor")
        else:
            best = models[m]["A4"]
            largest = best if floor["largest_tv"] == "best" else floor["largest_tv"]
            # A step's worth of rounding may show in the TV value: a millionth of the steps, times its slope.
            slope = (models[m]["A2"] - best) / (models[m]["A3"] - models[m]["A1"])
            if tv_quality(s, models[m]) > largest + slope * models[m]["A3"] * tolerance * 1.001:
                broken.add("floor")
    return broken
