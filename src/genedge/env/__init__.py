"""The cell as a reinforcement-learning environment."""
