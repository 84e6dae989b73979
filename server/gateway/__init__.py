"""The WebSocket listener: sockets in front, the rooms of `chat` behind."""
