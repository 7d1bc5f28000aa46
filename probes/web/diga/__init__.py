"""The phones of Diga: their bodies, and what they are of a number."""
