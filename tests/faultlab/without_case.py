"""Findings of discovery that no case of the lab can have, and why: by code."""

WITHOUT_CASE = {
    "not-allowed": "the lab reaches what it likes; tests/probes/test_reach_enforced.py has a policy",
    "probe-failed": "the kernel refuses datagrams from 65,508 bytes on, and a URI of more than 4,096 is not read",
    "tls-broken": "the lab's servers leave their records to OpenSSL, which breaks none; a test of the engine does",
}
