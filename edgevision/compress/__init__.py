"""Compression as a whole: recipes, what each of their steps brought, and the search for one that meets a budget."""
