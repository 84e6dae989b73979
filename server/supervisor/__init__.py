"""One installation as several processes: which there are, their lives, their sockets, their replacement."""
