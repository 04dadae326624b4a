"""The language on the wire: framing, encryption, encodings. Nothing here outlives one connection or session."""
