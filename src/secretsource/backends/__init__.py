"""The built-in backends: one file a store, imported when its scheme is first used."""
