"""The child process that does what is heavy: asked by one JSON object, it ends with whoever asked."""
