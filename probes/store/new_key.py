"""A new key for the secrets of a store that no other program writes to.

The new key is in the file first, before the others; then all secrets are encrypted anew, in one transaction; then, if
that is wanted, the others leave the file. So wherever this is cut off, the file has each key that a secret needs.
"""

from pathlib import Path

from probes.store.database import WriterLock, explaining, require_file, writing_engine
from probes.store.keyring import Keyring, key_file_of
from probes.store.migrate import migrate
from probes.store.tenants import Tenants, used_keys

STOP_IT = "stop that one first, and start it again afterwards"
"""What to do about a program that writes: it would go on with the old key."""


def encrypt_anew(path: Path, *, forget: bool = False) -> int:
    """Encrypt all secrets with a new key, and say of how many trunks and numbers they are. `forget` takes the others
    out of the file, which copies of the store from before need. Raises WatchError with what to do about it.
    """
    require_file(path)
    with WriterLock(path, STOP_IT), explaining(path):
        migrate(path)
        engine = writing_engine(path)
        try:
            with engine.begin() as connection:
                used = used_keys(connection)
            ring = Keyring.open(key_file_of(path), used).renewed()
            with engine.begin() as connection:
                connection.exec_driver_sql("PRAGMA secure_delete = ON")  # the old key is not to find anything
                count = Tenants(ring).encrypt_anew(connection)
            if forget:
                ring.without_older()
        finally:
            engine.dispose()
    return count
