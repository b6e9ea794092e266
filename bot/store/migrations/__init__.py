"""The history of the tables, oldest first; applied by `bot.store.migrate` and never edited."""
