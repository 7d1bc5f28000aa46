"""The phone channel of watsonx Orchestrate: its bodies, and what they are of a trunk and its numbers."""
