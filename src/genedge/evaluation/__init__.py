"""Policies side by side on the same slots: what each costs, with intervals, beside the certified optimum."""
