"""A Discord that fits on a laptop: gateway, REST API, a world that talks and the ledger of what happened."""
