"""peers - the pieces of tools/bench-peers: engines, rows, whole tasks, the page."""
