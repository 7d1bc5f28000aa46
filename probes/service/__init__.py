"""The service: trunks of many tenants, watched, discovered and called on behalf of whoever has a key."""
