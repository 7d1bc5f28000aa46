"""The service's own interface: what is sent and shown, and how it is described."""
