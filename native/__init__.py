"""How this program's C extensions are built and loaded; each part that has one describes it by an `Extension`."""
