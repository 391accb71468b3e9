"""The worker: a child process for heavy work. It gets one JSON request and exits with its parent."""
