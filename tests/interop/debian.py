"""Unpack a Debian package of another suite, with all it depends on, beside the system: no root, no chroot, no dpkg.

apt resolves against an empty status file and downloads from the mirror that this machine already uses; each archive is
unpacked into one folder, and no maintainer script runs. The programs in there start through that suite's own dynamic
loader, so that it does not matter how old the system's C library is.

Needs the standard library only: it runs before there is a virtual environment. From the command line:

    python3 tests/interop/debian.py forky asterisk
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

NOT_NEEDED = ("./usr/share/doc", "./usr/share/man", "./usr/share/locale")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class UnpackError(Exception):
    """A package could not be had; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A folder that holds unpacked packages."""

    root: Path

    @property
    def libraries(self) -> Path:
        """The folder of the shared libraries, named after the machine's architecture."""
        return _only(self.root / "usr/lib", "*-linux-gnu*")

    def command(self, program: str) -> list[str]:
        """The command that runs `program`, a path inside the root, with the root's own loader and libraries."""
        loader = _only(self.libraries, "ld-linux*.so.*")
        return [str(loader), "--library-path", f"{self.libraries}:{self.root}/usr/lib", str(self.root / program)]


def cache() -> Path:
    """Where unpacked packages are kept: outside of any work tree, so that a clean clone finds them again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sipcore" / "lab"


def find(suite: str, package: str) -> Unpacked | None:
    """What `unpack` left in the cache, if it did."""
    root = cache() / f"{package}-{suite}"
    return Unpacked(root) if root.is_dir() else None


def unpack(suite: str, package: str) -> Unpacked:
    """Download and unpack `package` of `suite` into the cache, unless it is there. Raises UnpackError."""
    if there := find(suite, package):
        return there
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache(), prefix=f".{package}-") as folder:
        root = Path(folder) / "root"
        for archive in _download(Path(folder), suite, package):
            _extract(archive, root)
        root.rename(cache() / f"{package}-{suite}")  # last, so that a folder of that name is complete
    return Unpacked(cache() / f"{package}-{suite}")


def _mirror() -> str:
    """The Debian mirror among this machine's own apt sources."""
    query = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian")
    uris = _run(*query).split()
    if not uris:
        raise UnpackError("apt knows no Debian mirror: run apt-get update as root first")
    return uris[0]


def _download(folder: Path, suite: str, package: str) -> list[Path]:
    """Let apt, with a state of its own in `folder`, fetch the package and its dependencies."""
    for name in ("lists/partial", "archives/partial", "sources", "none"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    source = f"Types: deb\nURIs: {_mirror()}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYRING}\n"
    (folder / "sources/lab.sources").write_text(source)
    options = {
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": folder / "sources",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": folder / "none",
        "APT::Install-Recommends": "false",
        "APT::Keep-Downloaded-Packages": "true",
        "APT::Sandbox::User": "",  # the user that apt downloads as could not write here
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Debug::NoLocking": "true",  # nobody else knows this state, and a user may not lock the system's
    }
    configuration = folder / "apt.conf"
    configuration.write_text("".join(f'{key} "{value}";\n' for key, value in options.items()))
    environment = os.environ | {"APT_CONFIG": str(configuration)}
    _run("apt-get", "-q", "update", environment=environment)
    _run("apt-get", "-q", "-y", "--download-only", "install", package, environment=environment)
    return sorted((folder / "archives").glob("*.deb"))


def _extract(archive: Path, root: Path) -> None:
    """Unpack one archive; the symbolic links of a merged /usr stay, so that `lib/x` and `usr/lib/x` are one place."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    skip = [f"--exclude={path}" for path in NOT_NEEDED]
    with subprocess.Popen(("dpkg-deb", "--fsys-tarfile", archive), stdout=subprocess.PIPE) as tarball:
        tar = ("tar", "--extract", "--directory", str(root), "--keep-directory-symlink", "--no-same-owner", *skip)
        unpacked = subprocess.run(tar, stdin=tarball.stdout, check=False)
    if tarball.returncode or unpacked.returncode:
        raise UnpackError(f"{archive.name} could not be unpacked")


def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise UnpackError(f"this needs a Debian system: there is no {command[0]}") from error
    if done.returncode:
        raise UnpackError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout


def _only(folder: Path, pattern: str) -> Path:
    """The first match of `pattern` in `folder`; a package that lacks it is not the one that was asked for."""
    match = next(iter(sorted(folder.glob(pattern))), None)
    if match is None:
        raise UnpackError(f"no {pattern} in {folder}")
    return match


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: debian.py SUITE PACKAGE", file=sys.stderr)
        return 2
    try:
        print(unpack(*arguments).root)
    except UnpackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
