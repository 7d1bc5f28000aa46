"""What Alembic runs to change the tables of a file: in the transaction of the connection that it is given.

A new revision is a new file in `versions/`, named in `probes.store.migrate`. It says what it does with its own words,
not with the tables of `probes.store.schema`, which go on to change.
"""

from alembic import context

from probes.store.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
