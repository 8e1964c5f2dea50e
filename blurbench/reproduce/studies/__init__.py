"""Studies: one question each, asked with equal budgets, several seeds and controls."""
