"""Files of boxes: what a box has, what its models take, and where each number comes from."""
