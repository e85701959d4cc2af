"""The memory stage: facts become windows and exact entries, committed in groups to the spool."""
