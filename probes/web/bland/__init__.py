"""Bland's SIP interface: what it takes and shows, as views of trunks, numbers and jobs."""
