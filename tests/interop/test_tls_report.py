"""TLS reports on OpenSSL's own server: what it was told to accept is what is found out."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from probes.checks.run import TlsReportConfig, report_tls
from probes.checks.tls_judge import TlsReport, Validity
from probes.destination import Destination
from sipcore.resolve.target import Hop
from sipcore.transports.base import TlsConfig, TlsVersion
from tests.interop.lab import Lab
from tests.interop.test_transports import VERSIONS, openssl_server


async def reported(hop: Hop, lab: Lab, **options: object) -> TlsReport:
    config = replace(TlsReportConfig(tls=TlsConfig(ca_file=str(lab.certificates.ca))), **options)  # type: ignore[arg-type]
    with trio.fail_after(30):
        return await report_tls(Destination(hop.remote.host, hop.remote.port, hop.transport), config)


@pytest.mark.parametrize("version", TlsVersion)
async def test_the_version_that_is_spoken(lab: Lab, tmp_path: Path, version: TlsVersion) -> None:
    with openssl_server(lab, tmp_path, VERSIONS[version], "-cipher", "DEFAULT:@SECLEVEL=0") as hop:
        report = await reported(hop, lab)
    assert report.works
    assert report.resumed
    assert [facts.version for facts in report.versions if facts.accepted] == [version]
    assert all(facts.complete for facts in report.versions)


async def test_the_ciphers_that_are_accepted(lab: Lab, tmp_path: Path) -> None:
    ciphers, suites = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-SHA"), ("TLS_AES_128_GCM_SHA256",)
    options = ("-cipher", f"{':'.join(ciphers)}:@SECLEVEL=0", "-ciphersuites", ":".join(suites))
    with openssl_server(lab, tmp_path, *options) as hop:
        report = await reported(hop, lab)
    found = {facts.version: set(facts.ciphers) for facts in report.versions}
    assert found[TlsVersion.TLS_1_3] == set(suites)
    assert found[TlsVersion.TLS_1_2] == set(ciphers)
    assert found[TlsVersion.TLS_1_1] == found[TlsVersion.TLS_1_0] == {"ECDHE-ECDSA-AES256-SHA"}


@pytest.mark.parametrize(("option", "required"), [("-verify", False), ("-Verify", True)])
async def test_a_client_certificate(lab: Lab, tmp_path: Path, option: str, required: bool) -> None:
    with openssl_server(lab, tmp_path, option, "1") as hop:
        report = await reported(hop, lab)
    assert (report.certificate_requested, report.certificate_required) == (True, required)
    assert report.agreed is not None
    assert report.agreed.shown.authorities == ("CN=sipcore test authority",)


async def test_the_name(lab: Lab, tmp_path: Path) -> None:
    with openssl_server(lab, tmp_path) as hop:
        assert (await reported(hop, lab, name="sut.example")).validity is Validity.VALID
        assert (await reported(hop, lab, name="other.example")).validity is Validity.NAME_MISMATCH
