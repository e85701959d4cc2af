"""What the entries of each event type say: one struct per kind of record and per snapshot.

The structs are the declaration of the data: the reference page, the columns of the SQL tables and the decoder
of the spool follow from them. Names of fields are an interface: they are the keys on disk, columns, and keys
of ``details``.

Of a field that is None an entry says nothing: a store keeps what it knows. Producers of records have checked
every value (``payload``); the decoder checks them once more when an entry is read from disk, and nothing
behind it does.
"""
