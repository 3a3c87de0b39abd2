"""The governor as a root daemon: configuration, applications, socket, states, logs."""
