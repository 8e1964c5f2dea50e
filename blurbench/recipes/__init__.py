"""Recipes: TOML files read into validated objects."""
