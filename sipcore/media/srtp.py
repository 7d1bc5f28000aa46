"""SRTP and SRTCP: packets protected and checked by libsrtp, and what fails counted. RFC 3711, RFC 7714."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sipcore.media.keys import (
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES_CM_128_HMAC_SHA1_32,
    AES_CM_128_HMAC_SHA1_80,
    SrtpKeys,
)

if TYPE_CHECKING:
    import pylibsrtp

_PROFILES = {
    AES_CM_128_HMAC_SHA1_80: "SRTP_PROFILE_AES128_CM_SHA1_80",
    AES_CM_128_HMAC_SHA1_32: "SRTP_PROFILE_AES128_CM_SHA1_32",
    AEAD_AES_128_GCM: "SRTP_PROFILE_AEAD_AES_128_GCM",
    AEAD_AES_256_GCM: "SRTP_PROFILE_AEAD_AES_256_GCM",
}


@dataclass(slots=True)
class SrtpFailures:
    """Packets from the peer that were refused: `authentication` since the key or the packet is wrong."""

    authentication: int = 0
    replayed: int = 0
    malformed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.authentication + self.replayed + self.malformed


class SrtpSession:
    """Both directions between two peers: `local` keys protect what is sent, `remote` ones what comes."""

    def __init__(self, local: SrtpKeys, remote: SrtpKeys) -> None:
        import pylibsrtp

        self._error = pylibsrtp.Error
        self._outbound = pylibsrtp.Session(_policy(local, pylibsrtp.Policy.SSRC_ANY_OUTBOUND))
        self._inbound = pylibsrtp.Session(_policy(remote, pylibsrtp.Policy.SSRC_ANY_INBOUND))
        self.suite = remote.suite
        self.failures = SrtpFailures()

    def protect(self, data: bytes) -> bytes:
        """An SRTP packet out of an RTP packet."""
        return self._outbound.protect(data)

    def protect_rtcp(self, data: bytes) -> bytes:
        """An SRTCP packet out of an RTCP packet."""
        return self._outbound.protect_rtcp(data)

    def unprotect_untrusted(self, data: bytes, *, rtcp: bool = False) -> bytes | None:
        """The packet in a protected one; None, and counted, for one that is refused."""
        try:
            return self._inbound.unprotect_rtcp(data) if rtcp else self._inbound.unprotect(data)
        except ValueError:  # longer than the library's buffer
            self.failures.malformed += 1
        except self._error as error:
            why = str(error)
            if "authentication" in why:
                self.failures.authentication += 1
            elif "replay" in why:
                self.failures.replayed += 1
            else:
                self.failures.malformed += 1
        return None


def _policy(keys: SrtpKeys, which: int) -> "pylibsrtp.Policy":
    import pylibsrtp

    profile = getattr(pylibsrtp.Policy, _PROFILES[keys.suite])
    return pylibsrtp.Policy(key=keys.key + keys.salt, ssrc_type=which, srtp_profile=profile)
