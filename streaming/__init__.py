"""Streaming: WHIP in, WHEP out, RTP forwarded untouched but for its header.

`engine.MediaEngine` is the way in. Modules that talk to the outside are named for what they talk to;
everything else is pure: time and randomness come in as arguments.
"""
