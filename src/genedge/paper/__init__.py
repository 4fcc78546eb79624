"""The paper's evaluation, Section V: figures, tables and a verdict on every claim, in one report."""
