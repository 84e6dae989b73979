"""What whoever binds the gateway's socket must know. Pure."""

SEND_BUFFER_BYTES = 128 * 1024
"""A connection's kernel send buffer; it is set on the listening socket, from which accepted ones inherit it."""
