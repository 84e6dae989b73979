"""The room: comments, likes, tips, pins and presence around one broadcast.

Everything from outside (identity, broadcasts, points, the stream's clock) enters through the Protocols of
`chat.ports`; nothing here imports another context or `server`.
"""
