"""One-off measurements: each answered one question, and can be repeated."""
