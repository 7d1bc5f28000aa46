"""The programming interfaces, one module for each; every one exports `MOUNT`."""
