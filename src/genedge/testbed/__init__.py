"""The paper's system run for real: users, base station and cloud as processes, measured beside the equations."""
